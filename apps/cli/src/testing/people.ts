// People of a test who use the public API of an install as any client would.

export type Answer = { status: number; headers: Headers; body: Body };
// biome-ignore lint/suspicious/noExplicitAny: tests check an answer field by field where they use it
type Body = any;

export type People = ReturnType<typeof createPeople>;

export function createPeople(api: string) {
  async function call(
    method: string,
    path: string,
    token?: string,
    body?: unknown,
    headers: Record<string, string> = {},
  ): Promise<Answer> {
    const response = await fetch(api + path, {
      method,
      headers: {
        ...headers,
        ...(token ? { authorization: `Bearer ${token}` } : {}),
        ...(body ? { "content-type": "application/json" } : {}),
      },
      ...(body ? { body: JSON.stringify(body) } : {}),
      signal: AbortSignal.timeout(10_000),
    });
    const text = await response.text();
    return {
      status: response.status,
      headers: response.headers,
      body: text === "" ? undefined : JSON.parse(text),
    };
  }

  async function register(name: string): Promise<{ handle: string; token: string }> {
    const handle = `${name}_${Math.random().toString(36).slice(2, 10)}`;
    const { status, body } = await call("POST", "/v1/auth/register", undefined, {
      handle,
      email: `${handle}@example.test`,
      password: "a long enough phrase",
    });
    if (status !== 201) throw new Error(`registering ${handle} answered ${status}: ${JSON.stringify(body)}`);
    return { handle, token: body.accessToken };
  }

  /** The ids of a whole home feed, newest first. */
  async function feed(token: string): Promise<string[]> {
    const ids: string[] = [];
    for (let cursor: string | null = ""; cursor !== null; ) {
      const { status, body } = await call("GET", `/v1/feed?limit=100${cursor && `&cursor=${cursor}`}`, token);
      if (status !== 200) throw new Error(`the feed answered ${status}: ${JSON.stringify(body)}`);
      ids.push(...body.items.map(({ id }: { id: string }) => id));
      cursor = body.nextCursor;
    }
    return ids;
  }

  return { call, register, feed };
}
