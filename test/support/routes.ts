/**
 * Path templates as two programs match them: the operations of a product for Sidegate, and a route
 * table for Envoy in which the first match wins. It must share no code with either.
 */
import type { Config } from './envoy-config.ts';

/** One operation: a template, its methods (none = every method) and a name. */
export interface Template {
  readonly name: string;
  readonly path: string;
  readonly methods: readonly string[];
}

const LITERAL = 0;
const ANY = 1;
const END = 2;
const REST = 3;

/** What stands at each place of a template, for the order of docs/wire.md. */
function placesOf({ path }: Template): number[] {
  const places = path
    .split('/')
    .slice(1)
    .map((segment) => {
      if (segment === '**') return REST;
      return segment === '*' || segment.startsWith('{') ? ANY : LITERAL;
    });
  return places.at(-1) === REST ? places : [...places, END];
}

/** Literal before parameter before `**`, from the left; of one shape, named methods come first. */
function compare(a: Template, b: Template): number {
  const [first, second] = [placesOf(a), placesOf(b)];
  for (let i = 0; i < Math.min(first.length, second.length); i++) {
    const order = (first[i] ?? 0) - (second[i] ?? 0);
    if (order !== 0) return order;
  }
  return Number(a.methods.length === 0) - Number(b.methods.length === 0);
}

/** How a route says what a template means. */
export type Dialect = 'regex' | 'uri_template';

const quoted = (text: string) => text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');

function pathMatch({ path }: Template, dialect: Dialect): Config {
  const segments = path.split('/').slice(1);
  const rest = segments.at(-1) === '**';
  const before = rest ? segments.slice(0, -1) : segments;
  const plain = before.every((segment) => segment !== '*' && !segment.startsWith('{'));
  const prefix = `/${before.join('/')}`;
  if (plain && rest) return before.length === 0 ? { prefix } : { path_separated_prefix: prefix };
  if (plain) return { path };
  if (dialect === 'uri_template' && !rest) {
    const named = before.map((segment, i) => (segment === '*' ? `{any${i}}` : segment));
    return {
      path_match_policy: {
        name: 'envoy.path.match.uri_template.uri_template_matcher',
        typed_config: {
          '@type':
            'type.googleapis.com/envoy.extensions.path.match.uri_template.v3.UriTemplateMatchConfig',
          path_template: `/${named.join('/')}`,
        },
      },
    };
  }
  const parts = before.map((each) => (/^(\*|\{.*)$/.test(each) ? '[^/]+' : quoted(each)));
  return { safe_regex: { regex: `/${parts.join('/')}${rest ? '(/.*)?' : ''}` } };
}

/** The routes of templates: each answers with its name, and what none of them matches `none`. */
export function routesOf(templates: readonly Template[], dialect: Dialect): Config[] {
  const answer = (text: string) => ({
    direct_response: { status: 200, body: { inline_string: text } },
  });
  const routes = [...templates].sort(compare).flatMap((template) => {
    const match = pathMatch(template, dialect);
    const methods = template.methods.map((exact) => [{ name: ':method', string_match: { exact } }]);
    return (methods.length === 0 ? [[]] : methods).map((headers) => ({
      match: { ...match, ...(headers.length > 0 && { headers }) },
      ...answer(template.name),
    }));
  });
  return [...routes, { match: { prefix: '/' }, ...answer('none') }];
}

/** The operations of templates; each puts its name into `x-operation`. */
export function operationsOf(templates: readonly Template[]): object[] {
  return templates.map(({ name, path, methods }) => ({
    ...{ name, path, methods: methods.length === 0 ? ['*'] : methods, security: 'none' },
    mediation: { request: [{ set: { name: 'x-operation', value: name } }] },
  }));
}
