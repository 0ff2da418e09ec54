/** Where {@link compileKernels}' text belongs. */
export declare const BINARIES: string;
/** The text of src/reference/simd/binaries.ts. Throws where the sources do not compile. */
export declare function compileKernels(): Promise<string>;
