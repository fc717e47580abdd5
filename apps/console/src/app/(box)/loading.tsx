import styles from "./shell.module.css";

export default function Loading() {
  return (
    <div className={styles.loading} role="status">
      <span className="visually-hidden">Loading</span>
      <div className={styles.ghost} style={{ width: "10rem", height: "1.75rem" }} />
      <div className={styles.ghost} style={{ height: "9rem" }} />
      <div className={styles.ghost} style={{ height: "20rem" }} />
    </div>
  );
}
