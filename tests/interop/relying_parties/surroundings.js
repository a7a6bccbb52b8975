// What a relying party in JavaScript is told by its environment, and a small web server for those that bring none.
import http from 'node:http'
import { webcrypto } from 'node:crypto'

// Node.js 18 has it, but not yet as a global.
globalThis.crypto ??= webcrypto

export const { ISSUER, CLIENT_ID, CLIENT_SECRET, PORT, SCOPE } = process.env
export const ADDRESS = `http://localhost:${PORT}`
export const CALLBACK = `${ADDRESS}/callback`
export const SIGNED_OUT = `${ADDRESS}/signed-out`

export const json = (value) => ({ type: 'application/json', body: JSON.stringify(value) })
export const to = (location) => ({ location: String(location) })

async function read(request) {
  let body = ''
  for await (const chunk of request) body += chunk
  return body
}

// `views` maps a path to a function from (url, body) to json(...), to(...) or {type, body}.
export function serve(views) {
  const server = http.createServer(async (request, response) => {
    const url = new URL(request.url, ADDRESS)
    const view = views[url.pathname]
    if (!view) return response.writeHead(404).end()
    try {
      const { type, body, location } = await view(url, await read(request))
      if (location) response.writeHead(303, { location }).end()
      else response.writeHead(200, { 'content-type': type }).end(body)
    } catch (error) {
      console.error(error)
      response.writeHead(500, { 'content-type': 'text/plain' }).end(`${error.name}: ${error.message}`)
    }
  })
  server.listen(Number(PORT), '127.0.0.1')
}
