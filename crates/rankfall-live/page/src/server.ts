// Talking to the server: a stream of messages for a simulation, and short questions.
import type { Change, Message, Refusal, Settings } from "./protocol";

export class Server {
  constructor(private readonly token: string) {}

  private post(path: string, body: unknown, signal?: AbortSignal): Promise<Response> {
    return fetch(`${path}?token=${encodeURIComponent(this.token)}`, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(body),
      signal: signal ?? null,
    });
  }

  // Simulates until the signal says to stop; the simulation ends with the connection.
  async simulate(settings: Settings, heard: (message: Message) => void, signal: AbortSignal): Promise<void> {
    const response = await this.post("/simulate", settings, signal);
    if (!response.ok || !response.body) throw await refused(response);
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    let rest = "";
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      const lines = (rest + value).split("\n");
      rest = lines.pop() ?? "";
      for (const line of lines) if (line) heard(JSON.parse(line) as Message);
    }
  }

  async change(change: Change): Promise<void> {
    const response = await this.post("/change", change);
    if (!response.ok) throw await refused(response);
  }

  async ask<T>(path: string, body: unknown): Promise<T> {
    const response = await this.post(path, body);
    if (!response.ok) throw await refused(response);
    return (await response.json()) as T;
  }
}

async function refused(response: Response): Promise<Error> {
  const text = await response.text();
  try {
    const refusal = JSON.parse(text) as Refusal;
    return new Error(refusal.hint ? `${refusal.message}: ${refusal.hint}` : refusal.message);
  } catch {
    return new Error(text.trim() || `the server answers ${response.status}`);
  }
}
