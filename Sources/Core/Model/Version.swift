/// The version of Keyturn, of both programs.
public enum Version {
  /// MAJOR.MINOR.PATCH (semver.org).
  public static let text = "0.1.0"
}
