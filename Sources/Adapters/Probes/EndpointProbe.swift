// SPDX-License-Identifier: Apache-2.0
internal import HTTP
internal import KeyManager
internal import Model
internal import Sockets
internal import TLS
internal import Threads

/// The probe of one endpoint as the server would reach it at its start (docs/facts.md,
/// "Probing without effects"): its name is resolved, and every address probed stage by stage, all
/// at once. The server may take any of them.
///
/// It asks and never creates or changes: KEY:CREATE is not among what it can send.
struct EndpointProbe: Sendable {
  /// What the enclave is asked for; nil where there are no settings.
  struct Subject: Sendable {
    var enclave: String
    var sseKey: String
    var identity: Identity
    /// What the cluster has encrypted, to be decrypted.
    var proofs: [KeyProof]
  }

  let endpoint: String
  let target: HostPort
  /// The proxy on the way there; nil if there is none.
  let proxy: ProxySettings.Proxy?
  /// The TLS of the server's client, or why it could not be set up.
  let context: Result<ProbeTLSContext, CertificateFailure>
  /// What `context` trusts.
  let roots: TrustedRoots
  let subject: Subject?
  var deadline: Instant

  /// Blocks until every stage was probed, one has failed, or the deadline has come.
  func run() -> EndpointReport {
    if let proxy, proxy.scheme != "http" {
      return notProbed(
        "the server goes through \(proxy.text), and this probe speaks with proxies by HTTP only")
    }
    let start = Clock.now()
    func resolution(
      _ verdict: ProbeVerdict, _ detail: String, _ reason: ProbeReason? = nil
    ) -> StageResult {
      StageResult(
        .dns, verdict, reason: reason, milliseconds: Clock.now().milliseconds(since: start),
        detail: (proxy.map { "proxy \($0.place.text), which looks up \(target.host): " } ?? "")
          + detail)
    }
    var addresses: [SocketAddress]
    do throws(ProbeFailure) { addresses = try resolve() } catch {
      return EndpointReport(
        endpoint: endpoint, proxy: proxy?.place.text,
        resolution: resolution(.failed, error.text, error.isTimeout ? .timeout : nil),
        addresses: [])
    }
    var result = resolution(.fine, addresses.map(\.host).joined(separator: ", "))
    if addresses.count > Limits.endpointAddresses {
      result.verdict = .degraded
      result.detail += ": only the first \(Limits.endpointAddresses) are probed"
      addresses.removeLast(addresses.count - Limits.endpointAddresses)
    }
    let end = deadline.advanced(byMilliseconds: 500)
    let reports = Parallel.map(addresses, thread: "probe-address", until: end) { address in
      AddressProbe(self, address).run()
    }
    return EndpointReport(
      endpoint: endpoint, proxy: proxy?.place.text, resolution: result,
      addresses: zip(addresses, reports).map { address, report in
        report
          ?? AddressReport(address: address.text, stages: Self.late.filter { $0.stage != .dns })
      })
  }

  /// The addresses to connect to: the endpoint's, or its proxy's. Blocks until the deadline at the longest.
  func resolve() throws(ProbeFailure) -> [SocketAddress] {
    let dialled = proxy?.place ?? target
    do throws(SocketFailure) {
      return try Resolver.resolve(dialled.host, port: dialled.port, until: deadline)
    } catch { throw ProbeFailure(error) }
  }

  /// Nothing was probed, for that reason.
  private func notProbed(_ reason: String) -> EndpointReport {
    EndpointReport(
      endpoint: endpoint, address: nil, proxy: proxy?.place.text,
      stages: ProbeStage.allCases.map { StageResult($0, .notChecked, detail: reason) })
  }

  /// All stages, not finished at the deadline.
  static var late: [StageResult] {
    ProbeStage.allCases.map {
      StageResult($0, .notChecked, reason: .timeout, detail: "the deadline came first")
    }
  }
}
