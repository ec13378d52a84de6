// SPDX-License-Identifier: Apache-2.0
import Rollout
import Testing

@Suite("The place of MINIO_CONFIG_ENV_FILE") struct ConfigFilePlaceTests {
  private static let good = "/etc/minio/config.env"

  private func problem(
    _ path: String, _ steps: [String]? = nil, exists: Bool = true, foreign: String? = nil
  ) -> String? {
    ConfigFilePlace(path: path, steps: steps ?? [path], exists: exists, foreign: foreign).problem
  }

  @Test("a file that is there, and that nobody else may write, can be relied on")
  func good() { #expect(problem(Self.good) == nil) }

  @Test(
    "a place that every user can make files in, or that services have for themselves, cannot",
    arguments: [
      "/tmp/minio.env", "/tmp/a/b", "/var/tmp/minio.env", "/run/user/1000/minio.env", "/tmp",
      "//tmp//x", "/./tmp/x", "/etc/../tmp/x", "/etc/minio/../../tmp/x",
    ])
  func shared(path: String) {
    #expect(problem(path)?.contains("other users can make files") == true)
  }

  @Test(
    "a place that is another file for each process cannot",
    arguments: [
      "/proc/self/environ", "/proc/1/environ", "/proc/thread-self/environ", "/dev/stdin",
      "/dev/fd/3",
      "/dev/shm/minio.env", "/sys/x", "/proc/../proc/self/environ",
    ])
  func unreadable(path: String) {
    #expect(problem(path)?.contains("no two processes find the same") == true)
    #expect(ConfigFilePlace.obstacle(to: path) != nil)
  }

  @Test("lines that a lost quote made part of the path are no path, and are not shown")
  func lostQuote() {
    let value = "/etc/minio/config.env\nMINIO_ROOT_PASSWORD=hunter2"
    #expect(!ConfigFilePlace.isPath(value) && !ConfigFilePlace.isPath("/etc/A=hunter2"))
    #expect(ConfigFilePlace.isPath("/etc/minio/a b.env"))
    for text in [ConfigFilePlace.obstacle(to: value), problem(value)] {
      #expect(text?.contains("no absolute path") == true && text?.contains("hunter2") == false)
    }
  }

  @Test("a relative path cannot", arguments: ["config.env", "./config.env", "", "~/config.env"])
  func relative(path: String) { #expect(problem(path)?.contains("no absolute path") == true) }

  @Test("a name that only begins like such a place is none of them")
  func similar() {
    for path in ["/tmpfiles/x", "/procedures/x", "/etc/tmp/x", "/var/tmpfs/x", "/run/users/x"] {
      #expect(problem(path) == nil, "\(path)")
    }
  }

  @Test("a link that leads to such a place is one, and the place is named")
  func links() {
    #expect(problem(Self.good, [Self.good, "/tmp/x"])?.contains("leads to /tmp/x") == true)
    #expect(problem(Self.good, [Self.good, "/proc/self/environ"])?.contains("/proc") == true)
  }

  @Test("what somebody else may write cannot, nor what is not there")
  func foreign() {
    let who = "every user may write /etc/minio"
    #expect(problem(Self.good, foreign: who)?.contains(who) == true)
    #expect(problem(Self.good, exists: false)?.contains("who makes it chooses the key") == true)
  }
}
