/** Elements from data: all that comes from the daemon becomes text, never markup. */
type Child = Node | string | undefined;
interface Attributes {
  readonly [name: string]: string | number | boolean | undefined;
}
export declare function el<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  attributes?: Attributes,
  ...children: readonly Child[]
): HTMLElementTagNameMap[K];
export declare function svg(tag: string, attributes?: Attributes, ...children: readonly Child[]): SVGElement;
/** Nothing is drawn anew where the text is the same. */
export declare function setText(node: Node, text: string): void;
export declare function byId(id: string): HTMLElement;
//# sourceMappingURL=dom.d.ts.map
