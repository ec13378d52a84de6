// SPDX-License-Identifier: Apache-2.0
import HTTP
import Model

/// The list of versions and delete markers, page by page.
extension S3Service {
  /// The server lists no more at a time, whatever is asked for.
  private static let pageLimit = 1_000

  func listVersions(_ question: Question) throws(ServerError) -> HTTPResponse {
    try question.user.mustBeAllowed("s3:ListBucketVersions")
    let request = question.request
    _ = try present(question.bucket)
    let prefix = request.query("prefix") ?? ""
    let limit = try Self.limit(request.query("max-keys") ?? "")
    let marker = (
      key: request.query("key-marker") ?? "", version: request.query("version-id-marker") ?? ""
    )
    let encodes = request.query("encoding-type") == "url"
    func name(_ text: String) -> String {
      encodes ? text.utf8.percentEncoded { $0.isLetterOrDigit || "-._/".utf8.contains($0) } : text
    }
    let all = try versions(in: question.bucket).filter { $0.object.hasPrefix(prefix) }
    // The newest of a name stands first, also where an earlier page ended with it.
    let latest = Dictionary(all.map { ($0.object, $0.version) }) { first, _ in first }
    let rest = Self.after(marker.key, marker.version, all)
    let page = rest.prefix(min(limit, Self.pageLimit))
    let isTruncated = limit > 0 && rest.count > page.count
    let entries = page.map { version in
      Self.entry(
        version, name: name(version.object), isLatest: latest[version.object] == version.version)
    }
    let next = isTruncated ? page.last : nil
    let head =
      XMLText.element("Name", text: question.bucket)
      + XMLText.element("Prefix", text: name(prefix))
      + XMLText.element("KeyMarker", text: name(marker.key))
      + (next.map { XMLText.element("NextKeyMarker", text: name($0.object)) } ?? "")
      + XMLText.element("NextVersionIdMarker", text: next?.version ?? "")
      + XMLText.element("VersionIdMarker", text: marker.version)
      + XMLText.element("MaxKeys", text: "\(limit)")
      + XMLText.element("IsTruncated", text: "\(isTruncated)")
    return Self.xml(
      XMLText.prologue
        + XMLText.document(
          "ListVersionsResult",
          head + entries.joined() + (encodes ? XMLText.element("EncodingType", text: "url") : "")))
  }

  private static func limit(_ text: String) throws(ServerError) -> Int {
    if text.isEmpty { return pageLimit }
    guard let limit = Int(text), (0...Int(Int32.max)).contains(limit) else {
      throw ServerError(
        400, "InvalidArgument", "Argument maxKeys must be an integer between 0 and \(Int32.max)")
    }
    return limit
  }

  /// Those behind a marker: a name alone hides all versions of it.
  private static func after(
    _ key: String, _ version: String, _ all: [StoredVersion]
  ) -> ArraySlice<StoredVersion> {
    if key.isEmpty { return all[...] }
    if let place = all.firstIndex(where: { $0.object == key && $0.version == version }) {
      return all[(place + 1)...]
    }
    return all.drop { $0.object <= key }
  }

  /// A delete marker has the fields of a version, as the server writes them.
  private static func entry(_ version: StoredVersion, name: String, isLatest: Bool) -> String {
    XMLText.element(
      version.isMarker ? "DeleteMarker" : "Version",
      XMLText.element("Key", text: name)
        + XMLText.element("LastModified", text: CalendarTime.text(microseconds: version.modified))
        + XMLText.element("ETag", text: version.isMarker ? "" : "\"\(version.etag)\"")
        + XMLText.element("Size", text: "\(version.size)") + owner
        + XMLText.element("StorageClass", text: "STANDARD")
        + XMLText.element("IsLatest", text: "\(isLatest)")
        + XMLText.element("VersionId", text: version.version))
  }
}
