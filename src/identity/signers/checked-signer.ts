import { certificatesIn } from '../certificate.ts'
import type { Clock } from '../clock.ts'
import { namesInCsr } from '../csr.ts'
import type { CertificateSigner, SignerRequest } from '../signer.ts'
import { answerProblem } from './answer.ts'

/** An authority elsewhere, of which only what was asked for is taken. @param roots which the mesh trusts, PEM */
export function checkedSigner(signer: CertificateSigner, roots: string, clock: Clock): CertificateSigner {
  const trusted = certificatesIn(roots)
  return {
    place: signer.place,
    async sign(request) {
      // Authorities elsewhere take the names out of the request.
      const problem = namesProblem(request)
      if (problem !== undefined) throw new Error(`${signer.place} is not asked: ${problem}`)
      const chain = await signer.sign(request).catch((error: Error) => {
        throw error.message.includes(signer.place)
          ? error
          : Object.assign(error, { message: `${signer.place}: ${error.message}` })
      })
      const wrong = await answerProblem(chain, request, trusted, clock.now())
      if (wrong !== undefined) throw new Error(`${signer.place}: ${wrong}`)
      return chain
    },
  }
}

function namesProblem({ csrPem, names }: SignerRequest): string | undefined {
  const text = (list: SignerRequest['names']) =>
    list
      .map(({ type, value }) => `${type} ${value}`)
      .sort()
      .join(', ')
  const asked = text(namesInCsr(csrPem))
  if (asked === text(names)) return undefined
  return `the request is for ${asked || 'no names'}, and granted is ${text(names)}: is the agent of an older version?`
}
