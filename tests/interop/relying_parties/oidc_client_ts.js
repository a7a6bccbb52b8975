// A single-page application that signs its users in with oidc-client-ts; everything happens in the browser.
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { ADDRESS, CALLBACK, CLIENT_ID, ISSUER, SCOPE, SIGNED_OUT, serve } from './surroundings.js'

const entry = createRequire(import.meta.url).resolve('oidc-client-ts')
const library = readFileSync(new URL('../browser/oidc-client-ts.min.js', `file://${entry}`))
const settings = {
  authority: ISSUER,
  client_id: CLIENT_ID,
  redirect_uri: CALLBACK,
  post_logout_redirect_uri: SIGNED_OUT,
  scope: SCOPE,
  automaticSilentRenew: false,
  loadUserInfo: false,
}

async function main(settings) {
  const show = (value) => {
    const pre = document.createElement('pre')
    pre.textContent = JSON.stringify(value)
    document.body.append(pre)
  }
  const users = new oidc.UserManager(settings)
  const views = {
    '/': async () => {
      const user = await users.getUser()
      show({
        claims: user?.profile ?? null,
        access_token: user?.access_token,
        refresh_token: user?.refresh_token,
        id_token: user?.id_token,
      })
    },
    '/sign-in': () => users.signinRedirect(),
    '/callback': async () => {
      await users.signinRedirectCallback()
      location.replace('/')
    },
    '/refresh': async () => {
      await users.signinSilent()
      location.replace('/')
    },
    '/userinfo': async () => {
      const user = await users.getUser()
      const { userinfo_endpoint } = await (await fetch(`${settings.authority}/.well-known/openid-configuration`)).json()
      const answer = await fetch(userinfo_endpoint, { headers: { Authorization: `Bearer ${user.access_token}` } })
      show(await answer.json())
    },
    '/sign-out': () => users.signoutRedirect(),
    '/signed-out': async () => {
      await users.signoutRedirectCallback()
      show({ signed_out: true })
    },
  }
  await views[location.pathname]().catch((error) => show({ error: String(error) }))
}

const page = `<!doctype html><title>Shop</title><body><script src="/library.js"></script>
<script>(${main})(${JSON.stringify(settings)})</script>`
const html = () => ({ type: 'text/html', body: page })
const paths = ['/', '/sign-in', '/callback', '/refresh', '/userinfo', '/sign-out', '/signed-out']
serve({
  ...Object.fromEntries(paths.map((path) => [path, html])),
  '/library.js': () => ({ type: 'text/javascript', body: library }),
})
