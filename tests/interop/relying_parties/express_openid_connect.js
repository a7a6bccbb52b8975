// An Express application that signs its users in with express-openid-connect.
import { ADDRESS, CLIENT_ID, CLIENT_SECRET, ISSUER, PORT, SCOPE } from './surroundings.js'
import { randomBytes } from 'node:crypto'
import express from 'express'
import connect from 'express-openid-connect'

const app = express()
app.use(
  connect.auth({
    issuerBaseURL: ISSUER,
    baseURL: ADDRESS,
    clientID: CLIENT_ID,
    clientSecret: CLIENT_SECRET,
    secret: randomBytes(32).toString('hex'),
    authRequired: false,
    idpLogout: true,
    authorizationParams: { response_type: 'code', scope: SCOPE },
    routes: { login: '/sign-in', callback: '/callback', logout: '/sign-out', postLogoutRedirect: '/signed-out' },
  }),
)
app.get('/', ({ oidc }, response) =>
  response.json({
    claims: oidc.idTokenClaims ?? null,
    access_token: oidc.accessToken?.access_token,
    refresh_token: oidc.refreshToken,
    id_token: oidc.idToken,
  }),
)
app.get('/refresh', async ({ oidc }, response) => {
  await oidc.accessToken.refresh()
  response.redirect('/')
})
app.get('/userinfo', async ({ oidc }, response) => response.json(await oidc.fetchUserInfo()))
app.get('/signed-out', (_, response) => response.json({ signed_out: true }))
app.listen(Number(PORT), '127.0.0.1')
