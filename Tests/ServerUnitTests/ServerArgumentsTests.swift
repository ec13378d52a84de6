// SPDX-License-Identifier: Apache-2.0
import Model
import ServerUnit
import Testing

@Suite struct ServerArgumentsTests {
  @Test(
    "the address says where health is asked",
    arguments: [
      ("server", "127.0.0.1:9000"), ("server --address :9001", "127.0.0.1:9001"),
      ("server --address=10.0.0.1:9001 /d", "10.0.0.1:9001"),
      ("server -address minio-1", "minio-1:9000"), ("--address 0.0.0.0:80", "127.0.0.1:80"),
      ("--address [::]:80", "127.0.0.1:80"), ("--address [fd00::1]:80", "[fd00::1]:80"),
      ("--address :1 --address :2", "127.0.0.1:2"), ("--address", "127.0.0.1:9000"),
      ("--console-address :9001", "127.0.0.1:9000"), ("--address :x", nil),
    ])
  func address(_ line: String, _ expected: String?) {
    let arguments = ServerArguments(arguments: ServerArguments.words(line))
    #expect(arguments.healthAddress?.text == expected)
  }

  @Test(
    "the certificates are where the arguments say, or in the service user's home",
    arguments: [
      ("--certs-dir /c", "/c"), ("-S /c", "/c"), ("--certs-dir=/c --config-dir /d", "/c"),
      ("--config-dir /d", "/d/certs"), ("-C /d/", "/d/certs"), ("", "/home/m/.minio/certs"),
    ])
  func certificates(_ line: String, _ expected: String) {
    let arguments = ServerArguments(arguments: ServerArguments.words(line))
    #expect(arguments.certificatesDirectory(home: "/home/m") == expected)
  }

  @Test("without a home and an argument nobody knows where the certificates are")
  func noCertificates() {
    #expect(ServerArguments(arguments: []).certificatesDirectory(home: nil) == nil)
  }

  @Test("where the log goes, and in what form")
  func log() {
    let all = ServerArguments(arguments: ["--json", "--quiet", "--log-dir", "/l"])
    #expect(all.json && all.quiet && all.logDirectory == "/l")
    let none = ServerArguments(arguments: ["--json=false", "--quiet=0", "/log-dir", "log-dir"])
    #expect(!none.json && !none.quiet && none.logDirectory == nil)
  }

  @Test("what the arguments leave out the server takes from its environment")
  func environment() {
    let environment = ["MINIO_ADDRESS": ":1", "MINIO_LOG_DIR": "/l"]
    let arguments = ServerArguments(arguments: ["--address", ":2"], environment: environment)
    #expect(arguments.address == ":2" && arguments.logDirectory == "/l")
  }

  @Test("of the file that the server reads itself only the drives are taken")
  func serversOwnFile() {
    let inForce = [
      "MINIO_ADDRESS": ":1", "MINIO_LOG_DIR": "/l", "MINIO_CONFIG": "/c.yaml",
      "MINIO_OPTS": "--address :2 --quiet", "MINIO_VOLUMES": "/data{1...4}",
    ]
    let arguments = ServerArguments(
      execStart: ["/minio", "server", "$MINIO_OPTS", "$MINIO_VOLUMES"],
      environment: ["MINIO_OPTS": "--json"], inForce: inForce)
    #expect(arguments.address == nil && arguments.logDirectory == nil)
    #expect(arguments.configurationFile == nil && arguments.json && !arguments.quiet)
    #expect(arguments.volumes.drives == [4])
  }

  @Test("variables in ExecStart= are put in as systemd does it")
  func expansion() {
    let environment = ["MINIO_OPTS": " --address :9001  --certs-dir '/a b' ", "D": "/x y"]
    #expect(
      ServerArguments.expand(
        ["/minio", "server", "$MINIO_OPTS", "${D}/z", "$$D", "$NONE", "a$D"], with: environment)
        == ["/minio", "server", "--address", ":9001", "--certs-dir", "/a b", "/x y/z", "$D", "a$D"])
    let arguments = ServerArguments(execStart: ["/minio", "$MINIO_OPTS"], environment: environment)
    #expect(arguments.certificatesDirectory == "/a b")
  }

  @Test(
    "words are split as systemd splits them",
    arguments: [
      ("a  b\tc\n", ["a", "b", "c"]), ("'a b' \"c d\"e", ["a b", "c de"]), ("''", [""]),
      ("a\\ b \"\\\"\" '\\'", ["a b", "\"", "\\"]), ("\"open end", ["open end"]), ("  ", []),
    ])
  func words(_ text: String, _ expected: [String]) {
    #expect(ServerArguments.words(text) == expected)
  }
}
