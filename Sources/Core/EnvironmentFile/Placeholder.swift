// EnvironmentFile
