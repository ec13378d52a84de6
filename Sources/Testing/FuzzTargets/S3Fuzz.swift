// SPDX-License-Identifier: Apache-2.0
internal import HTTP
internal import Model
internal import S3

/// The answers of an S3 server, and the files of its clients.
enum S3Fuzz {
  /// The first byte says as what the rest is read.
  static func violation(_ bytes: [UInt8]) -> String? {
    let rest = Array(bytes.dropFirst())
    switch (bytes.first ?? 0) % 4 {
    case 0: return document(rest)
    case 1: return error(rest)
    case 2: return clients(rest)
    default: return keys(rest)
    }
  }

  private static func document(_ bytes: [UInt8]) -> String? {
    let root: XMLElement
    do throws(XMLViolation) { root = try XMLElement(document: bytes) } catch {
      return (0...bytes.count).contains(error.offset) || bytes.count > Limits.xmlBytes
        ? nil : "s3: a violation at byte \(error.offset) of \(bytes.count)"
    }
    if let problem = shape(root, depth: 1) { return problem }
    // What is written is not the same bytes, but the same document, if it is not too long by then.
    let written = Array(root.xml.utf8)
    if written.count <= Limits.xmlBytes, (try? XMLElement(document: written)) != root {
      return "s3: what is written of a document is read as another"
    }
    if let encryption = try? BucketEncryption(document: bytes) {
      if let document = encryption.document,
        (try? BucketEncryption(document: document)) != encryption
      {
        return "s3: a default encryption is read as another once written"
      }
    }
    _ = try? S3Documents.buckets(bytes)
    _ = try? S3Documents.versioning(bytes)
    _ = try? S3Documents.retention(bytes)
    _ = try? S3Documents.versions(of: "a", bytes)
    return nil
  }

  private static func shape(_ element: XMLElement, depth: Int) -> String? {
    if depth > Limits.xmlDepth { return "s3: an element that is too deep" }
    if element.name.isEmpty || element.name.contains(where: { "<>&\"' ".contains($0) }) {
      return "s3: an element without a name"
    }
    return element.children.lazy.compactMap { shape($0, depth: depth + 1) }.first
  }

  /// Twice: as XML or JSON it is the same value, and what is passed on is bounded.
  private static func error(_ bytes: [UInt8]) -> String? {
    let response = HTTPResponse(503, headers: ["date": text(bytes.prefix(40))], body: bytes)
    let error = S3Error(response, now: 0)
    if error != S3Error(response, now: 0) { return "s3: an error is read in two ways" }
    if (error.message?.count ?? 0) > Limits.s3MessageCharacters { return "s3: a long message" }
    if (error.code?.utf8.count ?? 0) > 128 { return "s3: a long code" }
    return nil
  }

  private static func clients(_ bytes: [UInt8]) -> String? {
    for name in ClientAliases.names(bytes) { _ = try? ClientAliases.file(bytes, alias: name) }
    let text = text(bytes[...])
    if let alias = try? ClientAliases.variable(text), alias.endpoint.text.contains("@") {
      return "s3: credentials are in the endpoint"
    }
    if let endpoint = try? S3Endpoint(url: text), (try? S3Endpoint(url: endpoint.text)) != endpoint
    {
      return "s3: an endpoint is read as another once written"
    }
    _ = AWSProfile("default", credentials: bytes, config: bytes).credentials
    return nil
  }

  private static func keys(_ bytes: [UInt8]) -> String? {
    if let status = try? KMSAnswers.status(bytes),
      (status.problem?.count ?? 0) > Limits.s3MessageCharacters
    {
      return "s3: a long problem"
    }
    _ = try? KMSAnswers.keys(bytes)
    return nil
  }

  private static func text(_ bytes: ArraySlice<UInt8>) -> String {
    String(decoding: bytes, as: UTF8.self)
  }
}
