// Any address without a page, so that “nothing here” still comes with the navigation around it.

import { notFound } from "next/navigation";

export default function Nowhere() {
  notFound();
}
