import { createDecipheriv, type JsonWebKey, pbkdf2Sync, randomUUID } from 'node:crypto'
import type { CertificateSigner } from '../signer.ts'
import { chainIn } from './answer.ts'
import { callJson } from './http.ts'
import { signedJwt } from './jwt.ts'

/** Smallstep's step-ca with a JWK provisioner: `POST /1.0/sign` with a token of one use that we sign. */
export interface StepCaSettings {
  readonly type: 'step-ca'
  /** `https://ca.example.com:9000`, as step-ca knows itself. */
  readonly url: string
  /** Name of the provisioner. */
  readonly provisioner: string
  /** Of the provisioner's key, which step-ca gives out encrypted. */
  readonly password: string
  /** Roots to know step-ca itself by, PEM. Default: the root of the mesh. */
  readonly caPem?: string
}

const TOKEN_LIFE_S = 300

interface Provisioners {
  readonly provisioners: readonly {
    readonly type: string
    readonly name: string
    readonly key?: { readonly kid: string }
    readonly encryptedKey?: string
  }[]
}

interface SignAnswer {
  readonly crt: string
  readonly ca: string
  readonly certChain?: readonly string[]
}

/** @param rootPem the root of the mesh */
export function stepCaSigner(
  { url, provisioner, password, caPem }: StepCaSettings,
  rootPem: string,
): CertificateSigner {
  const roots = caPem ?? rootPem
  const problemIn = (text: string) => (JSON.parse(text) as { message?: string }).message
  let key: Promise<{ readonly kid: string; readonly jwk: JsonWebKey }> | undefined

  const findKey = async () => {
    const list = await callJson<Provisioners>('step-ca', {
      url: new URL('/1.0/provisioners?limit=100', url),
      caPem: roots,
      problemIn,
    })
    const found = list.provisioners.find(({ type, name }) => type === 'JWK' && name === provisioner)
    if (!found?.encryptedKey || !found.key)
      throw new Error(`step-ca at ${new URL(url).host} has no JWK provisioner "${provisioner}" whose key it gives out`)
    return { kid: found.key.kid, jwk: JSON.parse(decryptedJwe(found.encryptedKey, password)) as JsonWebKey }
  }

  return {
    place: `step-ca at ${new URL(url).host} (provisioner ${provisioner})`,
    async sign({ csrPem, names, spiffeId, life }) {
      key ??= findKey()
      const { kid, jwk } = await key.catch((error: Error) => {
        key = undefined
        throw error
      })
      const now = Math.floor(Date.now() / 1000)
      const claims = {
        iss: provisioner,
        aud: new URL('/1.0/sign', url).href,
        sub: spiffeId,
        sans: names.map(({ value }) => value),
        iat: now,
        nbf: now - 60,
        exp: now + TOKEN_LIFE_S,
        jti: randomUUID(),
      }
      const {
        crt,
        ca,
        certChain = [crt, ca],
      } = await callJson<SignAnswer>('step-ca', {
        url: new URL('/1.0/sign', url),
        method: 'POST',
        body: { csr: csrPem, ott: signedJwt({ kid }, claims, jwk), notAfter: new Date(life.until).toISOString() },
        caPem: roots,
        problemIn,
      })
      return chainIn(...certChain)
    },
  }
}

/** What a JWE (compact, RFC 7516) with a password holds: PBES2-HS256+A128KW and AES-GCM, as step-ca makes it. */
function decryptedJwe(jwe: string, password: string): string {
  const [head = '', wrapped = '', iv = '', cipherText = '', tag = ''] = jwe.split('.')
  const bytes = (text: string) => Buffer.from(text, 'base64url')
  const { alg, enc, p2s, p2c } = JSON.parse(bytes(head).toString()) as {
    readonly alg: string
    readonly enc: string
    readonly p2s: string
    readonly p2c: number
  }
  if (alg !== 'PBES2-HS256+A128KW' || (enc !== 'A256GCM' && enc !== 'A128GCM'))
    throw new Error(`the provisioner's key is encrypted with ${alg} and ${enc}, and not as step-ca does it`)
  try {
    const salt = Buffer.concat([Buffer.from(`${alg}\0`), bytes(p2s)])
    const unwrap = createDecipheriv(
      'id-aes128-wrap',
      pbkdf2Sync(password, salt, p2c, 16, 'sha256'),
      Buffer.alloc(8, 0xa6),
    )
    const contentKey = Buffer.concat([unwrap.update(bytes(wrapped)), unwrap.final()])
    const open = createDecipheriv(enc === 'A256GCM' ? 'aes-256-gcm' : 'aes-128-gcm', contentKey, bytes(iv))
    open.setAAD(Buffer.from(head)).setAuthTag(bytes(tag))
    return Buffer.concat([open.update(bytes(cipherText)), open.final()]).toString()
  } catch {
    throw new Error("the password does not open the provisioner's key")
  }
}
