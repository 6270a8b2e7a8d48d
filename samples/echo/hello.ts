// Istio's published helloworld sample: says which version answered.
import { pod, serve, version } from '../service/serve.ts'

serve('helloworld', 5000, {
  'GET /hello': () => ({
    headers: { 'content-type': 'text/plain' },
    body: `Hello version: ${version}, instance: ${pod}\n`,
  }),
})
