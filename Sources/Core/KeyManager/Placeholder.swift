// KeyManager
