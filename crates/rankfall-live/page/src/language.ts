// The browser's language, for libraries that format numbers in it as they are loaded: where the system's locale is
// none (C, POSIX), some browsers name a language that does not exist, and the page would stay empty.
try {
  new Intl.NumberFormat(navigator.language);
} catch {
  Object.defineProperty(navigator, "language", { value: "en-US" });
}
export {};
