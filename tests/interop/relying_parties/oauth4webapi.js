// A web application that signs its users in with oauth4webapi; the answer comes back as a posted form.
import { ADDRESS, CALLBACK, CLIENT_ID, CLIENT_SECRET, ISSUER, SCOPE, SIGNED_OUT, json, serve, to } from './surroundings.js'
import * as oauth from 'oauth4webapi'

const insecure = { [oauth.allowInsecureRequests]: true }
const issuer = new URL(ISSUER)
const found = await oauth.discoveryRequest(issuer, { algorithm: 'oidc', ...insecure })
const server = await oauth.processDiscoveryResponse(issuer, found)
const client = { client_id: CLIENT_ID }
const authentication = oauth.ClientSecretBasic(CLIENT_SECRET)
let signedIn = null
let asked = null

serve({
  '/': () => json({ claims: signedIn?.claims ?? null, ...signedIn?.tokens }),
  '/sign-in': async () => {
    asked = { verifier: oauth.generateRandomCodeVerifier(), nonce: oauth.generateRandomNonce(), state: oauth.generateRandomState() }
    const url = new URL(server.authorization_endpoint)
    url.search = new URLSearchParams({
      client_id: CLIENT_ID,
      redirect_uri: CALLBACK,
      response_type: 'code',
      response_mode: 'form_post',
      scope: SCOPE,
      state: asked.state,
      nonce: asked.nonce,
      code_challenge: await oauth.calculatePKCECodeChallenge(asked.verifier),
      code_challenge_method: 'S256',
    })
    return to(url)
  },
  '/callback': async (_, body) => {
    const parameters = oauth.validateAuthResponse(server, client, new URLSearchParams(body), asked.state)
    const answer = await oauth.authorizationCodeGrantRequest(
      server, client, authentication, parameters, CALLBACK, asked.verifier, insecure,
    )
    const tokens = await oauth.processAuthorizationCodeResponse(server, client, answer, {
      expectedNonce: asked.nonce,
      requireIdToken: true,
    })
    await oauth.validateApplicationLevelSignature(server, answer, insecure)
    signedIn = { tokens, claims: oauth.getValidatedIdTokenClaims(tokens) }
    return to(ADDRESS)
  },
  '/refresh': async () => {
    const answer = await oauth.refreshTokenGrantRequest(server, client, authentication, signedIn.tokens.refresh_token, insecure)
    signedIn.tokens = { ...signedIn.tokens, ...(await oauth.processRefreshTokenResponse(server, client, answer)) }
    return to(ADDRESS)
  },
  '/userinfo': async () => {
    const answer = await oauth.userInfoRequest(server, client, signedIn.tokens.access_token, insecure)
    return json(await oauth.processUserInfoResponse(server, client, signedIn.claims.sub, answer))
  },
  '/sign-out': () => {
    const url = new URL(server.end_session_endpoint)
    url.search = new URLSearchParams({
      post_logout_redirect_uri: SIGNED_OUT,
      id_token_hint: signedIn.tokens.id_token,
    })
    return to(url)
  },
  '/signed-out': () => {
    signedIn = null
    return json({ signed_out: true })
  },
})
