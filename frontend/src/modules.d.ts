declare module 'punycode/punycode.es6.js' {
  export function encode(text: string): string;
}

declare module 'tr46' {
  const tr46: { toASCII(domain: string, options: { checkBidi?: boolean; transitionalProcessing?: boolean }): string | null };
  export default tr46;
}
