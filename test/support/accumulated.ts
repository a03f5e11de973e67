/** The running sum over layers: what `increments` took apart. */
export function accumulated(v: Float32Array, width: number): Float32Array {
  const sum = Float64Array.from(v);
  for (let i = width; i < sum.length; i++) sum[i]! += sum[i - width]!;
  return Float32Array.from(sum);
}
