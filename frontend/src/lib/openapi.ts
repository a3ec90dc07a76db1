/** What an OpenAPI document says of its operations, ready to be shown. */
interface Schema {
  readonly $ref?: string;
  readonly type?: string | readonly string[];
  readonly format?: string;
  readonly enum?: readonly unknown[];
  readonly description?: string;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
  readonly items?: Schema;
  readonly anyOf?: readonly Schema[];
  readonly allOf?: readonly Schema[];
  readonly additionalProperties?: Schema | boolean;
}
interface Content {
  readonly [type: string]: { readonly schema?: Schema };
}
interface RawOperation {
  readonly operationId: string;
  readonly tags?: readonly string[];
  readonly summary?: string;
  readonly description?: string;
  readonly parameters?: readonly { readonly name: string; readonly in: string; readonly required?: boolean; readonly description?: string; readonly schema?: Schema }[];
  readonly requestBody?: { readonly content: Content };
  readonly responses: Readonly<Record<string, { readonly description?: string; readonly content?: Content }>>;
  readonly security?: unknown;
  readonly 'x-codeSamples'?: readonly { readonly source: string }[];
}
export interface Document {
  readonly info: { readonly title: string; readonly version: string };
  readonly tags?: readonly { readonly name: string }[];
  readonly paths: Readonly<Record<string, Readonly<Record<string, RawOperation>>>>;
  readonly components?: { readonly schemas?: Readonly<Record<string, Schema>> };
}

export interface Parameter {
  readonly name: string;
  readonly where: 'path' | 'query';
  readonly required: boolean;
  readonly words: string;
  readonly sample: string;
}
export interface Field {
  readonly name: string;
  readonly type: string;
  readonly words: string;
}
export interface Operation {
  readonly id: string;
  readonly tag: string;
  readonly method: string;
  readonly path: string;
  readonly summary: string;
  readonly words: readonly string[]; // paragraphs
  readonly parameters: readonly Parameter[];
  readonly body: string | null;
  readonly answers: readonly { readonly status: string; readonly kinds: readonly string[]; readonly name: string; readonly fields: readonly Field[] }[];
  readonly errors: readonly string[]; // statuses
  readonly sample: string; // a shell command
  readonly runs: boolean; // a page may ask it without harm
}

const nameOf = (ref: string): string => ref.slice(ref.lastIndexOf('/') + 1);

/** A type in words: "string or null", "list of Node". */
export function typeOf(s: Schema | undefined): string {
  if (!s) return 'any';
  if (s.$ref) return nameOf(s.$ref);
  const several = s.anyOf ?? s.allOf;
  if (several) return several.map(typeOf).join(' or ');
  const types = Array.isArray(s.type) ? (s.type as readonly string[]) : [(s.type as string | undefined) ?? 'any'];
  return types
    .map((t) => (t === 'array' ? `list of ${typeOf(s.items)}` : s.enum && t === 'string' ? s.enum.map(String).join(' | ') : s.format && t === 'string' ? `${t} (${s.format})` : t))
    .join(' or ');
}

function fieldsOf(doc: Document, s: Schema | undefined): Field[] {
  const whole = s?.$ref ? doc.components?.schemas?.[nameOf(s.$ref)] : s;
  const parts = whole?.allOf?.flatMap((one) => fieldsOf(doc, one)) ?? [];
  return [...parts, ...Object.entries(whole?.properties ?? {}).map(([name, of]) => ({ name, type: typeOf(of), words: of.description ?? '' }))];
}

/** What the sample fills in for the parameters: it is a curl of the same path. */
function samplesOf(path: string, source: string): Map<string, string> {
  const found = new Map<string, string>();
  const url = /https?:\/\/[^\s'"]+/.exec(source)?.[0];
  if (!url) return found;
  const { pathname, searchParams } = new URL(url);
  const got = pathname.split('/');
  path.split('/').forEach((part, i) => {
    if (part.startsWith('{')) found.set(part.slice(1, -1), decodeURIComponent(got[i] ?? ''));
  });
  for (const [k, v] of searchParams) found.set(k, v);
  return found;
}

export function operationsOf(doc: Document): Operation[] {
  return Object.entries(doc.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, o]): Operation => {
      const sample = o['x-codeSamples']?.[0]?.source ?? '';
      const samples = samplesOf(path, sample);
      const good = Object.entries(o.responses).filter(([status]) => /^2/.test(status));
      return {
        id: o.operationId, tag: o.tags?.[0] ?? '', method: method.toUpperCase(), path, summary: o.summary ?? '',
        words: (o.description ?? '').split('\n\n').filter((p) => p !== ''),
        parameters: (o.parameters ?? [])
          .filter((p) => p.in === 'path' || p.in === 'query')
          .map((p) => ({ name: p.name, where: p.in as 'path' | 'query', required: p.required ?? false, words: p.description ?? '', sample: samples.get(p.name) ?? '' })),
        body: o.requestBody ? typeOf(Object.values(o.requestBody.content)[0]?.schema) : null,
        answers: good.map(([status, r]) => {
          const schema = Object.values(r.content ?? {})[0]?.schema;
          return { status, kinds: Object.keys(r.content ?? {}), name: typeOf(schema), fields: fieldsOf(doc, schema) };
        }),
        errors: Object.keys(o.responses).filter((status) => !/^[23]/.test(status)),
        sample,
        runs: method === 'get' && o.security === undefined && !good.some(([, r]) => Object.keys(r.content ?? {}).includes('text/event-stream')),
      };
    }),
  );
}

/** The address of a request; null if what it needs is missing. */
export function requestOf(o: Operation, values: Readonly<Record<string, string>>): string | null {
  let path = o.path;
  const query: string[] = [];
  for (const p of o.parameters) {
    const v = values[p.name] ?? '';
    if (p.where === 'path') {
      if (v === '') return null;
      path = path.replace(`{${p.name}}`, encodeURIComponent(v));
    } else if (v !== '') query.push(`${p.name}=${encodeURIComponent(v).replaceAll('%2C', ',')}`);
    else if (p.required) return null;
  }
  return query.length > 0 ? `${path}?${query.join('&')}` : path;
}

/** Whether all words of a search are in an operation. */
export function has(o: Operation, search: string): boolean {
  const text = `${o.method} ${o.path} ${o.id} ${o.summary} ${o.words.join(' ')} ${o.parameters.map((p) => p.name).join(' ')}`.toLowerCase();
  return search.toLowerCase().split(/\s+/).every((w) => text.includes(w));
}
