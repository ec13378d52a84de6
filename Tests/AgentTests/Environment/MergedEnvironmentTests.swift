// SPDX-License-Identifier: Apache-2.0
import API
@testable import Agent
import KeyManager
import Model
import Secrets
import ServerUnit
import Testing
import Threads

/// The environment that a host's server would be given.
private func environment(
  _ change: (inout FakeNodeHost.State) -> Void
) throws -> ServerEnvironment {
  let host = FakeNodeHost(file: "")
  host.state.update(change)
  return try ServerEnvironment(
    unit: host.state.withLock { $0.unit }, fallback: "/etc/default/minio", ports: host.ports(),
    deadline: .inMilliseconds(5_000))
}

private func findings(_ server: ServerEnvironment, obstacle: String? = nil) throws -> [Finding] {
  try server.findings(inventoryFile: "/etc/default/minio") { _ in obstacle }
}

@Suite("Agent: the merged environment")
struct MergedEnvironmentTests {
  private static let places: [@Sendable (inout FakeNodeHost.State, String) -> Void] = [
    { $0.manager.environment.append("MINIO_X=\($1)") },
    { state, value in
      state.unit.passEnvironment = ["MINIO_X"]
      state.initial = [EnvironmentVariable(name: "MINIO_X", value: value)]
    },
    { $0.unit.environment = ["MINIO_X=\($1)"] },
    { state, value in
      state.unit.environmentFiles.insert(.init(path: "/etc/minio/*.env"), at: 0)
      state["/etc/minio/a.env"] = "MINIO_X=\(value)\n"
    },
    { state, value in
      state.unit.environmentFiles.insert(.init(path: "/etc/minio/*.env"), at: 0)
      state["/etc/minio/b.env"] = "MINIO_X=\(value)\n"
    },
    { $0["/etc/default/minio"] = "MINIO_X=\($1)\nMINIO_CONFIG_ENV_FILE=/etc/minio/config\n" },
    { state, value in
      state["/etc/default/minio"] =
        (state["/etc/default/minio"] ?? "") + "MINIO_CONFIG_ENV_FILE=/etc/minio/config\n"
      state["/etc/minio/config"] = "MINIO_X=\(value)\n"
    },
  ]

  @Test("each place overrides all that come before it", arguments: 0..<7)
  func order(last: Int) throws {
    let server = try environment { state in
      for index in 0...last { Self.places[index](&state, "v\(index)") }
    }
    #expect(server["MINIO_X"] == "v\(last)")
    #expect(server.definitions(of: "MINIO_X").map(\.1.value) == (0...last).map { "v\($0)" })
    let explained = server.explained("MINIO_X")
    #expect(explained.map(\.effect) == (0..<last).map { _ in .overridden } + [.wins])
    #expect(server.atStart.last { $0.name == "MINIO_X" }?.value == "v\(min(last, 5))")
  }

  @Test("each place counts where it is the only one", arguments: 0..<7)
  func alone(place: Int) throws {
    #expect(try environment { Self.places[place](&$0, "v") }["MINIO_X"] == "v")
  }

  @Test("a passed variable that PID 1 does not have is not set, and said of one of MinIO's")
  func notPassed() throws {
    let server = try environment { $0.unit.passEnvironment = ["MINIO_X", "LANG"] }
    #expect(server["MINIO_X"] == nil)
    #expect(try findings(server).map(\.rule) == ["passed-unknown"])
  }

  @Test(
    "UnsetEnvironment= takes away last, by name or by the very value, but not what the server reads",
    arguments: [
      ("MINIO_X", nil), ("MINIO_X=v5", nil), ("MINIO_X=v4", "v5"), ("MINIO_X=", "v5"),
      ("MINIO", "v5"),
    ])
  func unset(entry: String, left: String?) throws {
    let server = try environment { state in
      for index in 0...5 { Self.places[index](&state, "v\(index)") }
      state.unit.unsetEnvironment = [entry]
    }
    #expect(server["MINIO_X"] == left)
    #expect(server.explained("MINIO_X").last?.effect == (left == nil ? .unset : .wins))
    let own = try environment { state in
      for index in 0...6 { Self.places[index](&state, "v\(index)") }
      state.unit.unsetEnvironment = [entry]
    }
    #expect(own["MINIO_X"] == "v6")
  }

  @Test("a file that must be there and is not is an error, also for a pattern without a match")
  func missing() throws {
    for path in ["/etc/minio/extra", "/etc/minio/*.env"] {
      for isOptional in [false, true] {
        let server = try environment {
          $0.unit.environmentFiles.append(.init(path: path, isOptional: isOptional))
        }
        let found = try findings(server)
        #expect(found.map(\.rule) == (isOptional ? [] : ["environment-file-missing"]))
        #expect(found.allSatisfy { $0.file == path && $0.severity == .error })
      }
    }
  }

  @Test("a file that systemd cannot load is an error, also where systemd would say nothing of it")
  func unloadable() throws {
    for isOptional in [false, true] {
      let server = try environment { state in
        state.unit.environmentFiles.append(
          .init(path: "/etc/minio/extra", isOptional: isOptional))
        state["/etc/minio/extra"] = "MINIO_X=1\nMINIO_Y=\0\n"
      }
      #expect(server["MINIO_X"] == nil)
      #expect(try findings(server).map(\.rule) == ["unloadable"])
      #expect(server.explained("MINIO_X").map(\.effect) == [.ignored])
    }
  }

  @Test("each file is read as its own reader reads it")
  func readers() throws {
    let text = "export MINIO_A=1\nMINIO_B=\"x\\\"y\"\n;MINIO_C=1\nMINIO_D='1' # c\n"
    let systemd = try environment { $0["/etc/default/minio"] = text }
    let own = try environment { state in
      state["/etc/default/minio"] = "MINIO_CONFIG_ENV_FILE=/etc/minio/config\n"
      state["/etc/minio/config"] = text
    }
    #expect(["MINIO_A", "MINIO_B", "MINIO_D"].map { systemd[$0] } == [nil, "x\"y", "1# c"])
    #expect(["MINIO_A", "MINIO_B", "MINIO_D"].map { own[$0] } == ["1", "x\\\"y", "'1' # c"])
    // What only the other reader would see is told, and counts as an ambiguity.
    #expect(systemd.explained("MINIO_A").map(\.effect) == [.ignored])
    #expect(systemd.definitions(of: "MINIO_B").count == 2)
    #expect(own.explained("MINIO_A").map(\.effect) == [.wins])
  }

  @Test("a file that the server could not read or take is judged by the server's reader")
  func config() throws {
    func server(_ text: String?, name: String = "/etc/minio/config") throws -> ServerEnvironment {
      try environment { state in
        state["/etc/default/minio"] = "MINIO_CONFIG_ENV_FILE=\"\(name)\"\n"
        state["/etc/minio/config"] = text
      }
    }
    // systemd would pass over the line, and not over the NUL.
    #expect(
      try findings(server("MINIO_X=1\nno equals sign\n")).map(\.rule) == ["config-unloadable"])
    #expect(try findings(server("MINIO_X=a\nMINIO_Y=\"open\n")) == [])
    #expect(try findings(server(nil)).map(\.rule) == ["config-missing"])
    let unreadable = try findings(server("MINIO_X=1\n"), obstacle: "mode 600")
    #expect(unreadable.map(\.rule) == ["config-unreadable"])
    #expect(unreadable.first?.refusal == .file)
    #expect(try findings(server("", name: "config")).map(\.rule) == ["config-file-path"])
    #expect(try server("MINIO_X=1\n", name: " /etc/minio/config ")["MINIO_X"] == "1")
  }

  @Test("whether a comment that ends in a backslash goes on depends on systemd's version")
  func comments() throws {
    for (version, value) in [("252.39-1~deb12u2", nil), ("254", "1"), ("257.7-1", "1"), ("", "1")] {
      let server = try environment { state in
        state.manager.version = version
        state["/etc/default/minio"] = "# c \\\nMINIO_X=1\n"
      }
      #expect(server["MINIO_X"] == value, "systemd \(version)")
    }
  }

  @Test("a file that both read is one place, its definitions one each")
  func bothReaders() throws {
    let server = try environment {
      $0["/etc/default/minio"] =
        "MINIO_CONFIG_ENV_FILE=/etc/default/minio\nMINIO_X=1\nexport MINIO_Y=2\n"
    }
    #expect(server.definitions(of: "MINIO_X").count == 1)
    #expect(server.explained("MINIO_Y").map(\.effect) == [.wins])
    #expect(server.files == ["/etc/default/minio"])
  }

  @Test("a unit that does not read the inventory's file is refused")
  func otherFile() throws {
    let server = try environment { $0.unit.environmentFiles = [.init(path: "/etc/minio/*.env")] }
    #expect(try findings(server).map(\.rule).contains("unit-environment-file"))
    let own = try environment { state in
      state.unit.environmentFiles = [.init(path: "/etc/minio/*.env")]
      state["/etc/minio/a.env"] = "MINIO_CONFIG_ENV_FILE=/etc/default/minio\n"
    }
    #expect(try findings(own).isEmpty)
  }
}
