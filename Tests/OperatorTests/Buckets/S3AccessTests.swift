// SPDX-License-Identifier: Apache-2.0
import Coordination
import HTTP
import Model
import S3
import Testing
import Threads

@testable import Operator

/// Which server a command speaks with, and as whom, by the files and variables of other clients.
@Suite struct S3AccessTests {
  /// What was asked, of whom: the Host field, the access key and region of the signature, the token.
  private struct Asked: Equatable {
    var host: String
    var access: String
    var region: String
    var token: String?
  }

  private final class Recorder: S3Network, S3Link, Sendable {
    let asked = Lock<[Asked]>([])
    var isUnasked: Bool { asked.withLock { $0.isEmpty } }

    func open(_ authorities: S3Authorities) throws(Refusal) -> any S3Link {
      self
    }
    func local(unit: String) throws(Refusal) -> LocalS3Server {
      throw Refusal(.failed, "not here")
    }
    func exchange(
      _ request: HTTPRequest, with target: S3Target, until deadline: Instant
    ) throws(S3LinkFailure) -> HTTPResponse {
      let field = request.headers["authorization"] ?? ""
      let parts = (field.split(separator: "=").dropFirst().first ?? "").split(separator: "/")
      asked.update {
        $0.append(
          Asked(
            host: target.hostField, access: parts.first.map(String.init) ?? "",
            region: parts.count > 2 ? String(parts[2]) : "",
            token: request.headers["x-amz-security-token"]))
      }
      return HTTPResponse(404)
    }
  }

  private func run(
    _ options: String, _ variables: [String: String], _ files: [String: String] = [:]
  ) -> (code: ExitCode, host: FakeCommandHost, recorder: Recorder) {
    let recorder = Recorder()
    let host = FakeCommandHost(
      files: files, variables: ["HOME": "/h"].merging(variables) { $1 })
    let keyturn = Keyturn(
      host: host, network: FakeNetwork(agents: []), workshop: FakeWorkshop(),
      local: FakeLocalAgent(), stores: recorder, newcomer: FakeNewcomer(),
      interruption: Interruption(), version: "test")
    let words = "bucket check data \(options)".split(separator: " ").map(String.init)
    return (keyturn.code(words), host, recorder)
  }

  private func asked(
    _ options: String, _ variables: [String: String], _ files: [String: String] = [:]
  ) -> Asked? { run(options, variables, files).recorder.asked.withLock { $0.first } }

  private static let config = """
    {"version":"10","aliases":{"my-minio_1":{"url":"https://file:9000","accessKey":"FILE",
    "secretKey":"sesame","api":"S3v4","path":"auto"},
    "anonymous":{"url":"https://a","accessKey":"","secretKey":"","api":"S3v4","path":"auto"}}}
    """

  @Test(
    "an alias is looked up in $MC_HOST_ALIAS, then in the folder named, $MC_CONFIG_DIR or ~/.mc")
  func places() {
    let files = ["/h/.mc/config.json": Self.config]
    let inFile = Asked(host: "file:9000", access: "FILE", region: "us-east-1")
    #expect(asked("--alias my-minio_1", [:], files) == inFile)
    #expect(asked("--alias my-minio_1/", [:], files) == inFile)
    #expect(
      asked("--alias my-minio_1", ["MC_CONFIG_DIR": "/m"], ["/m/config.json": Self.config])
        == inFile)
    #expect(
      asked(
        "--alias my-minio_1 --mc-config-dir /o", ["MC_CONFIG_DIR": "/m"],
        ["/o/config.json": Self.config]) == inFile)
    #expect(
      asked("--alias my-minio_1", ["MC_HOST_my-minio_1": "https://ENV:s:TOKEN@env"], files)
        == Asked(host: "env", access: "ENV", region: "us-east-1", token: "TOKEN"))
  }

  @Test("mc's region variables count in their order, before them --region")
  func region() {
    let files = ["/h/.mc/config.json": Self.config]
    let variables = ["MC_REGION": "r1", "AWS_REGION": "r2"]
    #expect(asked("--alias my-minio_1", variables, files)?.region == "r1")
    #expect(asked("--alias my-minio_1", ["AWS_REGION": "r2"], files)?.region == "r2")
    #expect(asked("--alias my-minio_1 --region r0", variables, files)?.region == "r0")
  }

  @Test(
    "an alias that cannot be used is refused before anything is sent",
    arguments: [
      ("my-minio_2", "did you mean my-minio_1?"), ("zzzzzzzzzz", "it has anonymous, my-minio_1"),
      ("anonymous", "mc alias set"),
    ])
  func refused(_ alias: String, _ words: String) {
    let (code, host, recorder) = run(
      "--alias \(alias)", [:], ["/h/.mc/config.json": Self.config])
    #expect(code == .badConfiguration)
    #expect(host.errors.contains(words), "\(host.errors)")
    #expect(!host.errors.contains("sesame"))
    #expect(recorder.isUnasked)
  }

  // MARK: AWS's variables and files

  private static let files = [
    "/h/.aws/credentials": """
    [default]
    aws_access_key_id = DEFAULT
    aws_secret_access_key = s
    [ops]
    aws_access_key_id = OPS
    aws_secret_access_key = s
    aws_session_token = OPSTOKEN
    """,
    "/h/.aws/config": "[default]\nregion = rd\n[profile ops]\nregion = ro\n",
  ]
  private static let variables = [
    "AWS_ACCESS_KEY_ID": "VAR", "AWS_SECRET_ACCESS_KEY": "s", "AWS_SESSION_TOKEN": "VARTOKEN",
  ]

  @Test("--profile wins over variables, these over $AWS_PROFILE, that over the default")
  func profiles() {
    let ops = Asked(host: "e", access: "OPS", region: "ro", token: "OPSTOKEN")
    let named = Self.variables.merging(["AWS_PROFILE": "ops"]) { $1 }
    #expect(asked("--endpoint https://e --profile ops", Self.variables, Self.files) == ops)
    #expect(
      asked("--endpoint https://e", named, Self.files)
        == Asked(host: "e", access: "VAR", region: "ro", token: "VARTOKEN"))
    #expect(asked("--endpoint https://e", ["AWS_PROFILE": "ops"], Self.files) == ops)
    #expect(
      asked("--endpoint https://e", [:], Self.files)
        == Asked(host: "e", access: "DEFAULT", region: "rd"))
  }

  @Test("a server without --endpoint is that of the variables for S3, then for all services")
  func endpoints() {
    let both = ["AWS_ENDPOINT_URL_S3": "https://s3", "AWS_ENDPOINT_URL": "https://all"]
    #expect(asked("", Self.variables.merging(both) { $1 })?.host == "s3")
    #expect(
      asked("", Self.variables.merging(["AWS_ENDPOINT_URL": "https://all"]) { $1 })?.host == "all")
    #expect(
      asked("--endpoint https://e", Self.variables.merging(both) { $1 })?.host == "e")
    #expect(run("", Self.variables).code == .badConfiguration)
  }

  @Test("files in other places, and a profile that is not there")
  func elsewhere() {
    let places = ["AWS_SHARED_CREDENTIALS_FILE": "/x/cred", "AWS_CONFIG_FILE": "/x/conf"]
    let files = [
      "/x/cred": "[default]\naws_access_key_id=X\naws_secret_access_key=s\n",
      "/x/conf": "[default]\nregion=rx\n",
    ]
    #expect(
      asked("--endpoint https://e", places, files.merging(Self.files) { $1 })
        == Asked(host: "e", access: "X", region: "rx"))
    let (code, host, recorder) = run("--endpoint https://e --profile nobody", [:], Self.files)
    #expect(code == .badConfiguration)
    #expect(host.errors.contains("no profile nobody in /h/.aws/credentials or /h/.aws/config"))
    #expect(recorder.isUnasked)
  }

  @Test("a tilde in the name of a file is the home, as botocore has it")
  func home() {
    let places = ["AWS_SHARED_CREDENTIALS_FILE": "~/x/cred", "AWS_CONFIG_FILE": "/x/~"]
    let files = [
      "/h/x/cred": "[default]\naws_access_key_id=X\naws_secret_access_key=s\n",
      "/x/~": "[default]\nregion=rx\n",
    ]
    #expect(
      asked("--endpoint https://e", places, files)
        == Asked(host: "e", access: "X", region: "rx"))
  }

  @Test(
    "what is wrong with a profile is told with its name, before anything is sent",
    arguments: [
      (["AWS_PROFILE": "nobody"], "", "there is no profile nobody (of $AWS_PROFILE) in"),
      (["AWS_SHARED_CREDENTIALS_FILE": "/none"], "", "there is no /none, which $AWS_SHARED_CR"),
      (
        ["AWS_CONFIG_FILE": "/none"], " --profile ops", "look up the profile ops: there is no /none"
      ),
      (["AWS_PROFILE": "half"], "", "the profile half has no aws_secret_access_key"),
      ([:], " --profile other-half", "the profile other-half has no aws_access_key_id"),
      ([:], " --profile bare", "there is no access key in the profile bare"),
      ([:], " --profile role", "the profile role gets its keys by role_arn"),
      (["AWS_SHARED_CREDENTIALS_FILE": "/large"], "", "/large is too large"),
    ] as [([String: String], String, String)])
  func faults(variables: [String: String], options: String, words: String) {
    let files = Self.files.merging([
      "/h/.aws/config": """
      [profile half]
      aws_access_key_id = A
      [profile other-half]
      aws_secret_access_key = sesame
      [profile bare]
      region = r
      [profile role]
      role_arn = x
      """,
      "/large": String(repeating: "#", count: Limits.environmentFileBytes + 1),
    ]) { $1 }
    let (code, host, recorder) = run("--endpoint https://e\(options)", variables, files)
    #expect(code == .badConfiguration)
    #expect(host.errors.contains(words), "\(host.errors)")
    #expect(!host.errors.contains("sesame"))
    #expect(recorder.isUnasked)
  }

  @Test("with the access key in variables a file that is not there is a warning only")
  func warned() {
    let (_, host, recorder) = run(
      "--endpoint https://e", Self.variables.merging(["AWS_CONFIG_FILE": "/none"]) { $1 })
    #expect(host.errors.contains("there is no /none"))
    #expect(recorder.asked.withLock { $0.first?.access } == "VAR")
  }
}
