public import KeyManager
internal import LinuxIO
public import Model
internal import TLS

/// Probes of Key Manager endpoints from this host, as the server would reach them at its start.
///
/// It asks, and never creates or changes anything there. It does not go through a proxy. It reads
/// the folder of trusted certificates with its own rights, not with those of the server's user.
public enum KeyManagerProbe {
  /// Blocks until every endpoint of the settings was probed, all at once, or the deadline; a report
  /// for each, in the settings' order. `certificateAuthorities` is the folder of the server's
  /// trusted certificates.
  public static func run(
    settings: KeyManagerSettings, certificateAuthorities: String?, deadline: Instant
  ) -> [EndpointReport] {
    let context = context(certificateAuthorities, settings.apiKey)
    return run(
      settings.endpoints.map {
        EndpointProbe(
          endpoint: $0.text, target: $0.target, context: context,
          subject: .init(enclave: settings.enclave, sseKey: settings.sseKey), deadline: deadline)
      }, until: deadline)
  }

  /// The same for hosts without any settings: resolution, TCP, TLS, version and readiness.
  public static func run(
    hosts: [HostPort], certificateAuthorities: String?, deadline: Instant
  ) -> [EndpointReport] {
    let context = context(certificateAuthorities, nil)
    return run(
      hosts.map {
        EndpointProbe(
          endpoint: Endpoint(host: $0.host, port: $0.port).text, target: $0, context: context,
          subject: nil, deadline: deadline)
      }, until: deadline)
  }

  private static func run(_ probes: [EndpointProbe], until deadline: Instant) -> [EndpointReport] {
    // Every wait of a probe ends at its deadline; what comes after that is a matter of the
    // processor.
    let end = deadline.advanced(byMilliseconds: 1_000)
    let reports = InParallel.map(probes, thread: "probe", until: end) { $0.run() }
    return zip(probes, reports).map { probe, report in
      report
        ?? EndpointReport(
          endpoint: probe.endpoint, address: nil,
          stages: ProbeStage.allCases.map {
            StageResult($0, .notChecked, reason: .timeout, detail: "the deadline came first")
          })
    }
  }

  private static func context(
    _ folder: String?, _ key: APIKey?
  ) -> Result<ProbeTLSContext, CertificateFailure> {
    Result { () throws(CertificateFailure) in
      let client = try key?.withPrivateKey { bytes throws(CertificateFailure) in
        try ClientCertificate.selfSigned(
          key?.kind == .ed25519 ? .ed25519(seed: bytes) : .ecdsa(scalar: bytes),
          commonName: key?.identity.text ?? "", days: 90)
      }
      return try .verifying(extraRootsPEM: TrustedRoots.read(folder), client: client)
    }
  }
}
