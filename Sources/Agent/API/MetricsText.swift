// SPDX-License-Identifier: Apache-2.0
internal import HTTP
internal import Model

/// Prometheus' text format 0.0.4.
struct MetricsText {
  private var text = ""

  /// One metric with its samples, each with its labels in braces, or none.
  mutating func family(
    _ name: String, _ type: String, _ help: String, _ samples: [(String, Int)]
  ) {
    text += "# HELP \(name) \(help)\n# TYPE \(name) \(type)\n"
    for (labels, value) in samples { text += "\(name)\(labels) \(value)\n" }
  }

  /// The same in seconds, of milliseconds.
  mutating func family(
    _ name: String, _ type: String, _ help: String, milliseconds samples: [(String, Int)]
  ) {
    family(name, type, help, [])
    for (labels, value) in samples {
      let (sign, size) = (value < 0 ? "-" : "", value.magnitude)
      text += "\(name)\(labels) \(sign)\(size / 1_000).\(String(size % 1_000).zeroPadded(to: 3))\n"
    }
  }

  /// When certificates end.
  ///
  /// - Parameter others: of which, and when, seconds since 1970-01-01 UTC.
  mutating func family(_ own: OwnCertificate?, others: [(of: String, until: Int64)] = []) {
    let mine = own.map { [("agent", $0.validUntil)] } ?? []
    let authority = own?.authorityUntil.map { [("ca", $0)] } ?? []
    family(
      "keyturn_certificate_expiry_timestamp_seconds", "gauge",
      "When a certificate expires, the first of several, seconds since 1970-01-01 UTC.",
      (mine + authority + others).map { ("{of=\"\($0)\"}", Int($1)) })
  }

  var response: HTTPResponse {
    HTTPResponse(
      200, headers: ["content-type": "text/plain; version=0.0.4; charset=utf-8"],
      body: Array(text.utf8))
  }
}
