// Talking to the server: short questions, each with its answer.
import type { Refusal } from "./protocol";

// A refusal; `ended` where what was asked for is no longer there.
export class Refused extends Error {
  constructor(
    words: string,
    readonly ended: boolean,
  ) {
    super(words);
  }
}

export class Server {
  constructor(private readonly token: string) {}

  async ask<T>(path: string, body: unknown, keepalive = false): Promise<T> {
    return JSON.parse(await (await this.answer(path, body, keepalive)).text()) as T;
  }

  async file(path: string, body: unknown): Promise<Blob> {
    return (await this.answer(path, body, false)).blob();
  }

  private async answer(path: string, body: unknown, keepalive: boolean): Promise<Response> {
    const response = await fetch(`${path}?token=${encodeURIComponent(this.token)}`, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(body),
      keepalive,
    });
    if (response.ok) return response;
    throw new Refused(words(await response.text()) || `the server answers ${response.status}`, response.status === 404);
  }
}

export function inWords(refusal: Refusal): string {
  return refusal.hint ? `${refusal.message}: ${refusal.hint}` : refusal.message;
}

function words(text: string): string {
  try {
    return inWords(JSON.parse(text) as Refusal);
  } catch {
    return text.trim();
  }
}
