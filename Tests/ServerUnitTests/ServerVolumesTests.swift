// SPDX-License-Identifier: Apache-2.0
import ServerUnit
import Testing

@Suite struct ServerVolumesTests {
  @Test(
    "pools and drives are counted as the server counts them",
    arguments: [
      (["/data"], [1]), (["/data1", "/data2"], [2]),
      (["http://minio-{1...4}:9000/data"], [4]),
      (["http://minio-{1...4}/data{1...8}"], [32]),
      (["http://minio-{01...16}/d{1...4}", "http://minio-{17...20}/d"], [64, 4]),
      (["/data{a...f}"], [6]), (["/data{1...}"], []), (["/data{4...1}"], []), ([], []),
    ])
  func drives(_ words: [String], _ drives: [Int]) {
    #expect(ServerVolumes(words).drives == drives)
  }

  @Test(
    "how many pools there are is known from what the server takes its drives from, or not at all",
    arguments: [
      ("server /data", nil), ("server /data1 /data2{1...}", nil), ("server /data{1...4}", nil),
      ("server --config /c.yaml /data{1...4}", "its configuration file /c.yaml names its pools"),
      ("server --config=/c.yaml", "its configuration file /c.yaml names its pools"),
      ("server --new-option /data{1...4}", "its option --new-option is not known here"),
      ("server --new-option=1 /data{1...4}", nil),
      ("server --json", "its command line names no drive"),
      ("/bin/sh -c start-minio", "its option -c is not known here"),
      ("/usr/local/bin/start-minio /data", "its command line names no drive"),
    ])
  func pools(_ line: String, _ unknown: String?) {
    let arguments = ServerArguments(arguments: ServerArguments.words(line))
    let isSeveral = line.contains("/data1 ")
    #expect(
      arguments.volumes.pools == unknown.map { .unknown($0) } ?? .known(isSeveral ? 2 : 1))
    // Its variables are known in any case but one.
    let environment = ["MINIO_VOLUMES": "http://a-{1...4}/d http://b-{1...4}/d"]
    #expect(
      ServerArguments(
        arguments: ServerArguments.words(line), environment: environment
      ).volumes.pools
        == (line.contains("/c.yaml") ? unknown.map { .unknown($0) } : .known(2)))
  }

  @Test("a configuration file that a variable names counts before the drives")
  func configurationFile() {
    var environment = ["MINIO_CONFIG": "/c.yaml", "MINIO_VOLUMES": "/data{1...4}"]
    func arguments() -> ServerArguments {
      ServerArguments(arguments: ["server"], environment: environment)
    }
    #expect(arguments().configurationFile == "/c.yaml" && arguments().volumes.drives == [])
    environment["MINIO_CONFIG"] = ""
    #expect(arguments().configurationFile == nil && arguments().volumes.drives == [4])
  }

  @Test("one erasure set needs one name, more need four for each, and what is not known four")
  func questions() {
    #expect(ServerVolumes(["/d{1...16}"]).writeQuestions == 1)
    #expect(ServerVolumes(["/d{1...17}"]).writeQuestions == 8)
    #expect(ServerVolumes(["/d{1...64}"]).writeQuestions == 16)
    #expect(ServerVolumes([]).writeQuestions == 4)
    #expect(ServerVolumes([]).sets == nil)
  }

  @Test("the volumes are what stands beside the options, or what the server's variables say")
  func arguments() {
    let command = [
      "/usr/local/bin/minio", "server", "--address", ":9000", "$MINIO_OPTS", "$MINIO_VOLUMES",
    ]
    let environment = [
      "MINIO_OPTS": "--json --certs-dir /etc/certs", "MINIO_VOLUMES": "http://m-{1...4}/d{1...4}",
    ]
    #expect(
      ServerArguments(execStart: command, environment: environment).volumes.drives == [16])
    #expect(
      ServerArguments(execStart: ["minio", "server"], environment: environment).volumes.drives
        == [16])
  }

  @Test(
    "the value of an option is no drive, in whatever form it is given",
    arguments: [
      "--console-address :9001", "--console-address=:9001", "-console-address :9001",
      "--ftp address=:8021 --ftp passive-port-range=30000-40000", "--sftp address=:8022",
      "--interface eth0 --idle-timeout 30s --read-header-timeout 30s --shutdown-timeout 30s",
      "--conn-user-timeout 10m --dns-cache-ttl 10m --max-idle-conns-per-host 2048 --listeners 1",
      "--send-buf-size 4194304 --recv-buf-size 4194304 --memlimit 8GiB --crossdomain-xml /x.xml",
      "--log-dir /l --log-size 10485760 --log-prefix minio --license /etc/minio.license",
      "--json --quiet --anonymous --compat --no-compat --log-compress", "--",
    ])
  func options(_ options: String) {
    let words = ["server"] + ServerArguments.words(options) + ["http://m-{1...4}/d{1...4}"]
    #expect(ServerArguments(arguments: words).volumes.drives == [16])
  }

  @Test("the server's variables win over the command line, in the server's order, without quotes")
  func order() {
    func drives(_ environment: [String: String], _ words: [String] = ["/c{1...2}"]) -> [Int] {
      ServerArguments(arguments: ["server"] + words, environment: environment).volumes.drives
    }
    var environment = ["MINIO_ENDPOINTS": "/e{1...3}"]
    #expect(drives([:]) == [2])
    #expect(drives(environment) == [3])
    environment["MINIO_VOLUMES"] = "/v{1...4}\t/w{1...4}"
    #expect(drives(environment) == [4, 4])
    environment["MINIO_ARGS"] = "'/a{1...5} /b{1...5}'"
    #expect(drives(environment) == [5, 5])
    environment["MINIO_ARGS"] = ""
    #expect(drives(environment) == [4, 4])
  }
}
