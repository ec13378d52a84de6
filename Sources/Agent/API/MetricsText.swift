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

  /// When the own certificate ends.
  mutating func family(_ certificate: OwnCertificate) {
    family(
      "keyturn_certificate_expiry_timestamp_seconds", "gauge",
      "When the certificate of this agent expires, seconds since 1970-01-01 UTC.",
      [("", Int(certificate.validUntil))])
  }

  var response: HTTPResponse {
    HTTPResponse(
      200, headers: ["content-type": "text/plain; version=0.0.4; charset=utf-8"],
      body: Array(text.utf8))
  }
}
