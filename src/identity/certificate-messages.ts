import { create, fromBinary, fromJson, type JsonObject, toBinary, toJson } from '@bufbuild/protobuf'
import { BinaryReader, BinaryWriter, WireType } from '@bufbuild/protobuf/wire'
import { StructSchema } from '@bufbuild/protobuf/wkt'

/** `istio.v1.auth.IstioCertificateRequest` (istio/api, security/v1alpha1/ca.proto). */
export interface CertificateRequest {
  /** PKCS #10 in PEM. Field 1, `csr`. */
  readonly csr: string
  /** In seconds; 0 leaves it to the server. Field 3, `validity_duration`. */
  readonly validityDuration: number
  /** Field 4, `metadata`: `ImpersonatedIdentity` names whom a node agent asks for, as ztunnel does. */
  readonly metadata: JsonObject
}

/** `istio.v1.auth.IstioCertificateResponse`. */
export interface CertificateResponse {
  /** The certificate, then those that lead to a root, and last the roots; PEM. Field 1, `cert_chain`. */
  readonly certChain: readonly string[]
}

export function encodeRequest(request: CertificateRequest): Buffer {
  const writer = new BinaryWriter().tag(1, WireType.LengthDelimited).string(request.csr)
  if (request.validityDuration !== 0) writer.tag(3, WireType.Varint).int64(request.validityDuration)
  const metadata = toBinary(StructSchema, fromJson(StructSchema, request.metadata))
  return Buffer.from(writer.tag(4, WireType.LengthDelimited).bytes(metadata).finish())
}

export function decodeRequest(bytes: Uint8Array): CertificateRequest {
  let csr = ''
  let validityDuration = 0
  let metadata = create(StructSchema)
  readFields(bytes, (reader, field, type) => {
    if (field === 1 && type === WireType.LengthDelimited) csr = reader.string()
    else if (field === 3 && type === WireType.Varint) validityDuration = Number(reader.int64())
    else if (field === 4 && type === WireType.LengthDelimited) metadata = fromBinary(StructSchema, reader.bytes())
    else return false
    return true
  })
  return { csr, validityDuration, metadata: toJson(StructSchema, metadata) }
}

export function encodeResponse(response: CertificateResponse): Buffer {
  const writer = new BinaryWriter()
  for (const certificate of response.certChain) writer.tag(1, WireType.LengthDelimited).string(certificate)
  return Buffer.from(writer.finish())
}

export function decodeResponse(bytes: Uint8Array): CertificateResponse {
  const certChain: string[] = []
  readFields(bytes, (reader, field, type) => {
    if (field !== 1 || type !== WireType.LengthDelimited) return false
    certChain.push(reader.string())
    return true
  })
  return { certChain }
}

/** `read` gives false for a field that it does not know, which is skipped. */
function readFields(bytes: Uint8Array, read: (reader: BinaryReader, field: number, type: WireType) => boolean): void {
  const reader = new BinaryReader(bytes)
  while (reader.pos < reader.len) {
    const [field, type] = reader.tag()
    if (!read(reader, field, type)) reader.skip(type, field)
  }
}
