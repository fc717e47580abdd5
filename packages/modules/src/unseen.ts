// Text in which there is nothing to see: white space, controls, and characters that are there only for their neighbours.

const seen = /[^\s\p{Cc}\p{Default_Ignorable_Code_Point}\u2800]/u;

export const isUnseen = (text: string): boolean => !seen.test(text);
