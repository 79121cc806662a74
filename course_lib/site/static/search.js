// What a search result quotes comes from the page's article, and not from the menus above it.

if (typeof Search === "object") {
  const { htmlToText } = Search;
  Search.htmlToText = (page, anchor) => {
    const article = new DOMParser().parseFromString(page, "text/html").querySelector("article");
    return htmlToText(`<div role="main">${article?.innerHTML ?? ""}</div>`, anchor);
  };
}
