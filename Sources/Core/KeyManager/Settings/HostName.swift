// SPDX-License-Identifier: Apache-2.0
internal import Model

/// What can be said of a host by its text alone.
enum HostName {
  /// Whether it is an IP address as far as its alphabet tells.
  static func isAddress(_ host: String) -> Bool {
    host.contains(":") || host.utf8.allSatisfy { $0.isDigit || $0 == 0x2E }
  }

  /// Whether it can be a host: an IPv6 address, four numbers of an IPv4 address, or labels of 1 to
  /// 63 letters, digits, `-` and `_` that neither begin nor end with `-`. One dot at the end is
  /// allowed.
  static func isPlausible(_ host: String) -> Bool {
    // HostPort has checked the alphabet; whether it is an address is the resolver's to say.
    if host.contains(":") { return true }
    let labels = self.labels(host)
    if isAddress(host) {
      return labels.count == 4 && labels.allSatisfy { UInt8($0) != nil } && !host.hasSuffix(".")
    }
    return labels.allSatisfy {
      (1...63).contains($0.utf8.count) && !$0.hasPrefix("-") && !$0.hasSuffix("-")
    }
  }

  /// A host that is probably a slip, judged by its siblings.
  struct Outsider: Equatable {
    var host: String
    /// What is odd about it, a clause that follows the host.
    var oddity: String
  }

  /// The hosts unlike their siblings, in their order: outside the domain that the others share, or with other
  /// dots and dashes in the same name.
  static func outsiders(among hosts: [String]) -> [Outsider] {
    var seen: Set<String> = []
    let names = hosts.filter { !isAddress($0) && seen.insert($0.lowercased()).inserted }
    return zip(outsideDomain(names), otherwiseWritten(names)).compactMap { $0 ?? $1 }
  }

  /// With a majority that shares a parent domain, those that do not share it. Otherwise only the
  /// second of two that differ in their last two labels: hosts spread over several domains on
  /// purpose are common.
  private static func outsideDomain(_ names: [String]) -> [Outsider?] {
    let parents = names.map { labels($0).dropFirst().joined(separator: ".") }
    if let parent = majority(of: parents) {
      let domain = parent.isEmpty ? "names without a domain" : parent
      return zip(names, parents).map {
        $1 == parent
          ? nil : Outsider(host: $0, oddity: "is outside the domain of the others (\(domain))")
      }
    }
    return names.indices.map { index in
      index == 1 && names.count == 2
        && labels(names[0]).suffix(2) != labels(names[1]).suffix(2)
        ? Outsider(host: names[1], oddity: "is outside the domain of \(names[0])") : nil
    }
  }

  /// `kms3.example.net` among `kms-1.example.net` and `kms-2.example.net`: the same but for numbers and for what
  /// stands between letters. The rarer form is taken for the slip, of two the second.
  private static func otherwiseWritten(_ names: [String]) -> [Outsider?] {
    let forms = names.map(form)
    // The usual text among those with the same letters.
    let usual = Dictionary(grouping: forms.indices) { forms[$0].letters }.mapValues {
      let texts = $0.map { forms[$0].text }
      return majority(of: texts) ?? (texts.count == 2 ? texts.first : nil)
    }
    return zip(names, forms).map { name, form in
      guard let text = usual[form.letters] ?? nil, text != form.text,
        let index = forms.firstIndex(where: { $0.text == text })
      else { return nil }
      return Outsider(host: name, oddity: "is written unlike \(names[index])")
    }
  }

  private static func majority(of texts: [String]) -> String? {
    let counts = Dictionary(texts.map { ($0, 1) }, uniquingKeysWith: +)
    return texts.first { counts[$0, default: 0] * 2 > texts.count }
  }

  private struct Form {
    /// Each number is one `#`.
    var text = ""
    /// The same without dots and dashes.
    var letters = ""
  }

  private static func form(_ name: String) -> Form {
    var form = Form()
    for character in labels(name).joined(separator: ".") {
      if character.isNumber {
        if form.text.last == "#" { continue }
        form.text.append("#")
        form.letters.append("#")
      } else {
        form.text.append(character)
        if !"-._".contains(character) { form.letters.append(character) }
      }
    }
    return form
  }

  private static func labels(_ host: String) -> [String] {
    let host = host.lowercased()
    return (host.hasSuffix(".") ? host.dropLast() : host[...])
      .split(separator: ".", omittingEmptySubsequences: false).map(String.init)
  }
}
