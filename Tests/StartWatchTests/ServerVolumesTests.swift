import StartWatch
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

  @Test("one erasure set needs one name, more need four for each, and what is not known four")
  func questions() {
    #expect(ServerVolumes(["/d{1...16}"]).writeQuestions == 1)
    #expect(ServerVolumes(["/d{1...17}"]).writeQuestions == 8)
    #expect(ServerVolumes(["/d{1...64}"]).writeQuestions == 16)
    #expect(ServerVolumes([]).writeQuestions == 4)
    #expect(ServerVolumes([]).sets == nil)
  }

  @Test("the volumes are what stands beside the options, or MINIO_VOLUMES")
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
}
