// Verify an access token with one of two libraries: `node verify_token.js LIBRARY JWKS_URI ISSUER AUDIENCE < token`.
// Prints the header and the claims as JSON; ends with status 1 and the library's own name of the fault otherwise.
import { readFileSync } from 'node:fs'
import { webcrypto } from 'node:crypto'

globalThis.crypto ??= webcrypto // Node.js 18 has it, but not yet as a global.
const [library, jwksUri, issuer, audience] = process.argv.slice(2)
const token = readFileSync(0, 'utf8').trim()
const algorithms = ['ES256', 'RS256']

const verifiers = {
  jose: async () => {
    const jose = await import('jose')
    const keys = jose.createRemoteJWKSet(new URL(jwksUri))
    const { payload, protectedHeader } = await jose.jwtVerify(token, keys, { issuer, audience, algorithms, typ: 'at+jwt' })
    return { header: protectedHeader, claims: payload }
  },
  jsonwebtoken: async () => {
    const { default: jsonwebtoken } = await import('jsonwebtoken')
    const { default: jwks } = await import('jwks-rsa')
    const { kid } = jsonwebtoken.decode(token, { complete: true }).header
    const key = (await jwks({ jwksUri }).getSigningKey(kid)).getPublicKey()
    const { header, payload } = jsonwebtoken.verify(token, key, { issuer, audience, algorithms, complete: true })
    return { header, claims: payload }
  },
}
try {
  console.log(JSON.stringify(await verifiers[library]()))
} catch (error) {
  console.error(error.code ?? error.message)
  process.exit(1)
}
