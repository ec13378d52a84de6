import Agent
import KeyManager
import Model
import Probes
import StartWatch

/// Probes from this host.
struct HostProbe: ProbePort {
  func keyManagers(
    _ settings: KeyManagerSettings, certificateAuthorities: String?, deadline: Instant
  ) -> [EndpointReport] {
    KeyManagerProbe.run(
      settings: settings, certificateAuthorities: certificateAuthorities, deadline: deadline)
  }

  func keyManagers(
    at hosts: [HostPort], certificateAuthorities: String?, deadline: Instant
  ) -> [EndpointReport] {
    KeyManagerProbe.run(
      hosts: hosts, certificateAuthorities: certificateAuthorities, deadline: deadline)
  }

  func ownServer(_ server: ServerArguments, deadline: Instant) -> OwnServer {
    ServerFaceProbe.own(server, deadline: deadline)
  }

  func health(_ server: ServerArguments, deadline: Instant) -> HealthAnswers {
    ServerHealth.ask(server, deadline: deadline)
  }
}
