public import Model

/// Checks an environment file as text: what its two readers make of it, and what a person probably
/// meant.
///
/// It knows nothing of what a value must be for MinIO to start; that is KeyManager's. It prints a
/// value only if the variable is known, no secret, and nothing else can have run into the value.
public enum EnvironmentLint {
  /// How many findings of one rule are given; one more says how many there are.
  public static let findingsPerRule = 100

  /// All findings in the order of lines and columns. An error means that a reader refuses the file
  /// or that the two do not read it alike, or that a name is mistyped.
  public static func findings(in document: EnvironmentDocument, file: String?) -> [Finding] {
    var lint = Lint(document: document, file: file)
    lint.checkSize()
    lint.checkBytes()
    lint.checkLines()
    lint.checkComments()
    lint.checkDefinitions()
    lint.checkDuplicates()
    lint.checkNames()
    lint.checkReaders()
    return lint.sorted()
  }
}

/// One run of the lint over one document.
struct Lint {
  typealias Variable = EnvironmentDocument.Variable

  let document: EnvironmentDocument
  let file: String?
  let bytes: [UInt8]
  private var findings: [Finding] = []
  private var counts: [LintRule: (count: Int, worst: Severity)] = [:]
  /// The offsets at which lines begin, to turn offsets into lines.
  var lineStarts: [Int] = []
  /// systemd's definitions that take more than one line, in the order of the file.
  private let spans: [Range<Int>]

  init(document: EnvironmentDocument, file: String?) {
    self.document = document
    self.file = file
    bytes = document.bytes
    spans = document.current.oddities.filter { !$0.form.isOneLine }.map(\.variable.range)
    lineStarts = [0]
    for offset in document.bytes.indices where document.bytes[offset] == Byte.lineFeed {
      lineStarts.append(offset + 1)
    }
  }

  // MARK: - Collecting

  mutating func add(
    _ severity: Severity, _ rule: LintRule, at offset: Int, variable: String? = nil,
    _ message: String, remedy: String
  ) {
    var (count, worst) = counts[rule] ?? (0, severity)
    count += 1
    worst = max(worst, severity)
    counts[rule] = (count, worst)
    if count > EnvironmentLint.findingsPerRule { return }
    let (line, column) = place(of: offset)
    findings.append(
      Finding(
        severity, rule: rule.rawValue, variable: variable.flatMap { isVariableName($0) ? $0 : nil },
        file: file, line: line, column: column, message: message, remedy: remedy))
  }

  func sorted() -> [Finding] {
    let ordered = findings.enumerated().sorted {
      ($0.element.line ?? 0, $0.element.column ?? 0, $0.offset)
        < ($1.element.line ?? 0, $1.element.column ?? 0, $1.offset)
    }
    var result = ordered.map(\.element)
    for rule in LintRule.allCases {
      guard let (count, worst) = counts[rule], count > EnvironmentLint.findingsPerRule else {
        continue
      }
      result.append(
        Finding(
          worst, rule: rule.rawValue, file: file,
          message: "\(count - EnvironmentLint.findingsPerRule) more of this rule are not shown",
          remedy: "correct those shown and check again"))
    }
    return result
  }

  private func place(of offset: Int) -> (line: Int, column: Int) {
    var (low, high) = (0, lineStarts.count)
    while high - low > 1 {
      let middle = (low + high) / 2
      if lineStarts[middle] <= offset { low = middle } else { high = middle }
    }
    return (low + 1, offset - lineStarts[low] + 1)
  }

  func offset(of variable: Variable) -> Int {
    lineStarts[variable.line - 1] + variable.column - 1
  }

  /// Whether the byte at `offset` is within a value that systemd reads over several lines, its
  /// first line apart.
  func isWithinValue(_ offset: Int) -> Bool {
    var (low, high) = (0, spans.count)
    while low < high {
      let middle = (low + high) / 2
      if spans[middle].upperBound <= offset { low = middle + 1 } else { high = middle }
    }
    guard low < spans.count, spans[low].contains(offset) else { return false }
    return place(of: offset).line != place(of: spans[low].lowerBound).line
  }

  // MARK: - What may be shown

  /// `variable`'s value in quotes if it may be shown, else `<redacted>`.
  func shown(_ variable: Variable) -> String {
    isShowable(variable) ? "'\(variable.value)'" : "<redacted>"
  }

  func isShowable(_ variable: Variable) -> Bool {
    let (name, value) = (variable.name, variable.value)
    return KnownVariables.isSingle(name) && !SecretVariables.contains(name)
      && !SecretVariables.contains(value) && variable.isOneLine
      && value.utf8.count <= 200
      && !["k1:", "k2:", "kes:", "://"].contains { start in
        value.lowercased().contains(start) && (start != "://" || value.utf8.contains(0x40))
      } && value.utf8.allSatisfy { !Byte.isControl($0) && $0 < 0x80 }
  }

  /// What to write instead.
  func safeForm(_ variable: Variable) -> String {
    let name = isVariableName(variable.name) ? variable.name : "NAME"
    if isShowable(variable),
      let line = try? CanonicalForm.line(name: name, value: variable.value)
    {
      return "write it as \(line)"
    }
    return "write it as \(name)=\"...\", without \\, \", `, $ and control characters in the value"
  }
}
