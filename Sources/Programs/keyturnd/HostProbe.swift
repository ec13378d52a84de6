// SPDX-License-Identifier: Apache-2.0
import Agent
import KeyManager
import Model
import Probes
import Secrets
import ServerUnit
import StartWatch

/// Probes from this host.
struct HostProbe: ProbePort {
  func keyManagers(
    _ settings: KeyManagerSettings, surroundings: ServerSurroundings, proofs: [KeyProof],
    deadline: Instant
  ) -> [EndpointReport] {
    KeyManagerProbe.run(
      settings: settings, surroundings: surroundings, proofs: proofs, deadline: deadline)
  }

  func makeKeyProof(
    _ settings: KeyManagerSettings, surroundings: ServerSurroundings, known: [KeyProof],
    for binding: KeyProof.Binding, by node: String, deadline: Instant
  ) throws(Refusal) -> KeyProof {
    try KeyProofMaker.make(
      settings, surroundings: surroundings, known: known, for: binding, by: node,
      deadline: deadline)
  }

  func keyManagers(
    at hosts: [HostPort], surroundings: ServerSurroundings, deadline: Instant
  ) -> [EndpointReport] {
    KeyManagerProbe.run(hosts: hosts, surroundings: surroundings, deadline: deadline)
  }

  func ownServer(_ server: ServerArguments, deadline: Instant) -> OwnServer {
    ServerFaceProbe.own(server, deadline: deadline)
  }

  func health(
    _ endpoint: HealthEndpoint, of server: ServerArguments, deadline: Instant
  ) -> HealthAnswer {
    ServerHealth.ask(endpoint, of: server, deadline: deadline)
  }

  func takesWrites(
    _ server: ServerArguments, as credentials: AccessCredentials, bucket: String, objects: Int,
    deadline: Instant
  ) -> WriteAnswer {
    SignedServer.takesWrites(
      server, as: credentials, bucket: bucket, objects: objects, deadline: deadline)
  }

  func kmsStatus(
    _ server: ServerArguments, as credentials: AccessCredentials, deadline: Instant
  ) -> ServerKMSAnswer {
    SignedServer.kmsStatus(server, as: credentials, deadline: deadline)
  }
}
