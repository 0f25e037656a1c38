/** What error-texts.mjs writes: by code, the paragraphs of docs/errors.md, "Cause: …" and "Remedy: …" first. */
declare const texts: Readonly<Record<string, readonly string[] | undefined>>;
export default texts;
