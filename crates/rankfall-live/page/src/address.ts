// What the address keeps behind the number sign, where the server does not see it: a link brings it back.

function all(): Map<string, string> {
  const parts = window.location.hash.slice(1).split("&");
  return new Map(parts.filter((part) => part.includes("=")).map((part) => part.split("=", 2) as [string, string]));
}

export function kept(name: string): string | null {
  const value = all().get(name);
  if (value === undefined) return null;
  try {
    return decodeURIComponent(value);
  } catch {
    return null;
  }
}

// Null takes it out of the address.
export function keep(name: string, value: string | null): void {
  const now = all();
  if (value === null) now.delete(name);
  else now.set(name, encodeURIComponent(value));
  const hash = [...now].map(([key, written]) => `${key}=${written}`).join("&");
  window.history.replaceState(null, "", hash ? `#${hash}` : window.location.pathname + window.location.search);
}
