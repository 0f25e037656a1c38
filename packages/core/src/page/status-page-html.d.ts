/** What page/build.mjs writes: the page as one text, and the policy that lets its own script and style run and nothing else. */
declare const page: { readonly html: string; readonly csp: string };
export default page;
