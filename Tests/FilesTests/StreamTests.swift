// SPDX-License-Identifier: Apache-2.0
@testable import Files
import Glibc
import Testing
import Threads

@Suite(.timeLimit(.minutes(1))) struct StreamTests {
  @Test("a named pipe is read once and to its end, up to the limit; its writer sees one reader")
  func pipe() throws {
    let directory = try TemporaryDirectory()
    let path = "\(directory.path)/pipe"
    try #require(mkfifo(path, 0o600) == 0)
    #expect(FileReading.isStream(path))
    for (size, limit) in [(9, 9), (100_000, 200_000), (10, 9)] {
      let written = Lock<Int?>(nil)
      try Thread.start("writer") {
        let raw = open(path, O_WRONLY)
        let bytes = [UInt8](repeating: 0x61, count: size)
        var count = 0
        while count < size {
          let step = write(raw, Array(bytes[count...]), size - count)
          if step <= 0 { break }
          count += step
        }
        close(raw)
        written.update { $0 = count }
      }
      if size > limit {
        #expect(throws: FileFailure.self) {
          _ = try FileReading.readStream(path, limitBytes: limit)
        }
      } else {
        #expect(try FileReading.readStream(path, limitBytes: limit).count == size)
        #expect(written.wait(until: .inMilliseconds(20_000)) { $0 } == size)
      }
    }
  }

  @Test("files, directories and what is not there are no streams; a terminal's kind of file is")
  func kinds() throws {
    let directory = try TemporaryDirectory()
    let file = "\(directory.path)/file"
    close(open(file, O_CREAT | O_WRONLY, 0o600))
    for path in [file, directory.path, "\(directory.path)/none"] {
      #expect(!FileReading.isStream(path), "\(path)")
    }
    #expect(FileReading.isStream("/dev/null"))
    #expect(try FileReading.readStream("/dev/null", limitBytes: 1) == [])
  }
}
