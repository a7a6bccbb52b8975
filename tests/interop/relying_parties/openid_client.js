// A web application that signs its users in with openid-client, by pushed authorization requests.
import { ADDRESS, CALLBACK, CLIENT_ID, CLIENT_SECRET, ISSUER, SCOPE, SIGNED_OUT, json, serve, to } from './surroundings.js'
import * as client from 'openid-client'

// With nothing said, this client authenticates by client_secret_post.
const config = await client.discovery(new URL(ISSUER), CLIENT_ID, CLIENT_SECRET, undefined, {
  execute: [client.allowInsecureRequests],
})
let signedIn = null
let asked = null

serve({
  '/': () => json({ claims: signedIn?.claims ?? null, ...signedIn?.tokens }),
  '/sign-in': async () => {
    asked = { verifier: client.randomPKCECodeVerifier(), nonce: client.randomNonce(), state: client.randomState() }
    const url = await client.buildAuthorizationUrlWithPAR(config, {
      redirect_uri: CALLBACK,
      scope: SCOPE,
      state: asked.state,
      nonce: asked.nonce,
      code_challenge: await client.calculatePKCECodeChallenge(asked.verifier),
      code_challenge_method: 'S256',
    })
    return to(url)
  },
  '/callback': async (url) => {
    const tokens = await client.authorizationCodeGrant(config, url, {
      pkceCodeVerifier: asked.verifier,
      expectedNonce: asked.nonce,
      expectedState: asked.state,
      idTokenExpected: true,
    })
    signedIn = { tokens, claims: tokens.claims() }
    return to(ADDRESS)
  },
  '/refresh': async () => {
    const fresh = await client.refreshTokenGrant(config, signedIn.tokens.refresh_token)
    signedIn.tokens = { ...signedIn.tokens, ...fresh }
    return to(ADDRESS)
  },
  '/userinfo': async () => json(await client.fetchUserInfo(config, signedIn.tokens.access_token, signedIn.claims.sub)),
  '/sign-out': () =>
    to(
      client.buildEndSessionUrl(config, {
        post_logout_redirect_uri: SIGNED_OUT,
        id_token_hint: signedIn.tokens.id_token,
      }),
    ),
  '/signed-out': () => {
    signedIn = null
    return json({ signed_out: true })
  },
})
