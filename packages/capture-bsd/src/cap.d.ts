/** The part of the optional package cap (libpcap) that its child process uses. */
declare module 'cap' {
  export class Cap {
    /** The name of the link type. Throws libpcap's own text. */
    open(device: string, filter: string, bufferBytes: number, buffer: Buffer): string;
    /** A frame lies in the buffer. */
    on(event: 'packet', listener: (bytes: number, truncated: boolean) => void): this;
  }
}
