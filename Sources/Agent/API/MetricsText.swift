internal import Wire

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

  /// All of it.
  var response: HTTPResponse {
    HTTPResponse(
      200, headers: ["content-type": "text/plain; version=0.0.4; charset=utf-8"],
      body: Array(text.utf8))
  }
}
