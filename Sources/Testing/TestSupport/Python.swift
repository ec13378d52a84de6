// SPDX-License-Identifier: Apache-2.0
internal import Glibc
package import Model
internal import Threads

/// Programs in Python that know what nobody here wrote: botocore, boto3, moto. `scripts/install-python`
/// makes what they run in, and scripts/test asks for it.
package enum Python {
  private static let checkout = #filePath.prefix(
    #filePath.utf8.count - "/Sources/Testing/TestSupport/Python.swift".utf8.count)

  /// The interpreter with the packages.
  package static let path = "\(checkout)/.build/python/bin/python3"

  package static let isInstalled = access(path, X_OK) == 0

  /// A program of Tests/Fixtures/Python.
  package static func program(_ name: String) -> String {
    "\(checkout)/Tests/Fixtures/Python/\(name)"
  }

  struct Failure: Error { var stderr: String }

  /// What a program printed that ended well. Blocks until its end.
  package static func run(
    _ program: String, _ arguments: [String] = [], until deadline: Instant
  ) throws -> String {
    let outcome = try Subprocess.run(path, [self.program(program)] + arguments, until: deadline)
    guard outcome.status == 0 else { throw Failure(stderr: String(outcome.stderr.suffix(2_000))) }
    return outcome.stdout
  }
}
