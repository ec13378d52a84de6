import Agent
import KeyManager
import Model
import StartWatch
struct HostProbe: ProbePort {
  func keyManagers(_ settings: KeyManagerSettings, certificateAuthorities: String?, deadline: Instant) -> [EndpointReport] { [] }
  func keyManagers(at hosts: [HostPort], certificateAuthorities: String?, deadline: Instant) -> [EndpointReport] { [] }
  func health(_ server: ServerArguments, deadline: Instant) -> HealthAnswers { HealthAnswers(ready: .failed(""), cluster: .failed("")) }
}
