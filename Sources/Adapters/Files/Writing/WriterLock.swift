// SPDX-License-Identifier: Apache-2.0
internal import Linux

/// The right to replace a file: one holder at a time, in one process at a time. A crash gives it
/// back.
///
/// It is an flock(2) on `.NAME.keyturn.lock` beside the file, empty and 0600, made once and left
/// there. Not on the file itself, which a rename replaces. Not on its directory: everyone who can
/// read that can lock it, so others could stop us and we could stop others. Not below /run or in a
/// state directory, because writers of one file need not agree on those. The lock binds only those
/// who ask for it; the digests of ``StagedFile`` guard against all others.
package final class WriterLock: Sendable {
  /// The file that may be replaced, absolute.
  package var target: String { place.path }
  let place: FilePlace
  private let file: FileDescriptor

  /// Takes the lock of `target`, which need not exist, until the last reference goes. Does not
  /// wait: throws `busy` if it is taken, and what opening a file in its directory throws.
  package init(_ target: String) throws(FileFailure) {
    place = try FilePlace(target)
    let name = ".\(place.name).keyturn.lock"
    guard let file = try Directory(place.directory).lock(name) else {
      throw FileFailure(
        .busy, target,
        "write \(target): another process is its writer (fuser -v "
          + "\(place.directory)/\(name) names it); stop it or wait for its end, and try again.")
    }
    self.file = file
  }
}
