/** Of patches in a picture, or of the tiles that it is cut into; row by row wherever they are numbered. */
export interface Grid {
  readonly rows: number;
  readonly columns: number;
}
